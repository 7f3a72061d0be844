/** Knowledge. */
import { Empty } from "../../ui/empty";
import { Page } from "../../ui/page";

export default function Knowledge() {
  return (
    <Page title="Knowledge">
      <Empty title="This page is not there yet." />
    </Page>
  );
}
