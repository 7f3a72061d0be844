/** Approvals. */
import { Empty } from "../../ui/empty";
import { Page } from "../../ui/page";

export default function Approvals() {
  return (
    <Page title="Approvals">
      <Empty title="This page is not there yet." />
    </Page>
  );
}
