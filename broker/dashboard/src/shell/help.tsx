/** The keys that are good here. */
import { Dialog } from "../ui/dialog";
import { Kbd } from "../ui/kbd";
import { groups } from "../ui/keys";

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose} wide>
      <div class="help">
        {[...groups.value].reverse().map(({ title, keys }) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl class="help-keys">
              {keys.map(({ keys, does }) => (
                <div key={keys}>
                  <dt>
                    <Kbd keys={keys} />
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
