/** What is said to those who may only look. */
import { mayAdmin, me } from "../../state/session";

/** Why there is nothing to press, for those who may only look. */
export function OnlyAdmins({ what }: { what: string }) {
  if (mayAdmin.value) return null;
  return (
    <p class="only-admins quiet">
      You are {me.value?.role === "operator" ? "an operator" : "a viewer"}: you see {what}, and admins change
      them.
    </p>
  );
}
