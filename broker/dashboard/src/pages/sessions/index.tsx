/** Sessions. */
import { Empty } from "../../ui/empty";
import { Page } from "../../ui/page";

export default function Sessions() {
  return (
    <Page title="Sessions">
      <Empty title="This page is not there yet." />
    </Page>
  );
}
