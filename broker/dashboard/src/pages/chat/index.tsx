/** Chat. */
import { Empty } from "../../ui/empty";
import { Page } from "../../ui/page";

export default function Chat() {
  return (
    <Page title="Chat">
      <Empty title="This page is not there yet." />
    </Page>
  );
}
