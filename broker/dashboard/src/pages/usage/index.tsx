/** Usage. */
import { Empty } from "../../ui/empty";
import { Page } from "../../ui/page";

export default function Usage() {
  return (
    <Page title="Usage">
      <Empty title="This page is not there yet." />
    </Page>
  );
}
