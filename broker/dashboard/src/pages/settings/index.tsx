/** Settings. */
import { Empty } from "../../ui/empty";
import { Page } from "../../ui/page";

export default function Settings() {
  return (
    <Page title="Settings">
      <Empty title="This page is not there yet." />
    </Page>
  );
}
