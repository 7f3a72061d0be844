/** Team. */
import { Empty } from "../../ui/empty";
import { Page } from "../../ui/page";

export default function Team() {
  return (
    <Page title="Team">
      <Empty title="This page is not there yet." />
    </Page>
  );
}
