/** An id: short, copied on click. */
import { shortId } from "./format";
import { toast } from "./toast";

export function Id({ id, what = "id" }: { id: string; what?: string }) {
  const copy = () => {
    navigator.clipboard.writeText(id).then(
      () => toast(`Copied the ${what}`),
      () => toast(`The browser does not let pages copy here. The ${what} is ${id}`),
    );
  };
  return (
    <button
      type="button"
      class="id"
      title={`${id} — click to copy`}
      aria-label={`Copy the ${what} ${id}`}
      onClick={copy}
    >
      {shortId(id)}
    </button>
  );
}
