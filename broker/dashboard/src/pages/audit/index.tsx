/** Audit. */
import { Empty } from "../../ui/empty";
import { Page } from "../../ui/page";

export default function Audit() {
  return (
    <Page title="Audit">
      <Empty title="This page is not there yet." />
    </Page>
  );
}
