/** A keyfile to download, once. */
import type { ComponentChildren } from "preact";
import { Button } from "../../ui/button";
import { Once } from "../../ui/once";
import { download } from "./keys";

interface FileProps {
  title: string;
  name: string;
  text: string;
  children: ComponentChildren;
  onClose: () => void;
}

export function FileOnce({ title, name, text, children, onClose }: FileProps) {
  return (
    <Once
      title={title}
      what="keyfile"
      onClose={onClose}
      keep={(kept) => (
        <Button
          kind="primary"
          onClick={() => {
            download(name, text);
            kept();
          }}
        >
          Download {name}
        </Button>
      )}
    >
      {children}
    </Once>
  );
}
