/** A key as it stands on the keyboard. */

export function Kbd({ keys }: { keys: string }) {
  return (
    <span class="kbds">
      {keys.split(" ").map((key, at) => (
        <kbd key={at}>{key}</kbd>
      ))}
    </span>
  );
}
