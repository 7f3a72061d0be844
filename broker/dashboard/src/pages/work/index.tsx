/** Work. */
import { Empty } from "../../ui/empty";
import { Page } from "../../ui/page";

export default function Work() {
  return (
    <Page title="Work">
      <Empty title="This page is not there yet." />
    </Page>
  );
}
