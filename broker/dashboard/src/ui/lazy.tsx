/** A part of the page whose script is fetched when it is shown first. */
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { asError } from "../link/use";
import { Loading } from "./empty";
import { Fault } from "./fault";

export function lazily<P extends object = object>(
  load: () => Promise<{ default: ComponentType<P> }>,
  what: string,
): ComponentType<P> {
  let known: ComponentType<P> | undefined;
  return function Lazy(props: P) {
    const [found, setFound] = useState(() => known);
    const [error, setError] = useState<Error>();
    useEffect(() => {
      if (known) return;
      load().then(
        (module) => {
          known = module.default;
          setFound(() => known);
        },
        (error: unknown) => setError(asError(error)),
      );
    }, []);
    if (found) {
      const Found = found;
      return <Found {...props} />;
    }
    if (error) {
      // After an upgrade of the broker its files have other names, which a page that is read anew knows.
      const retry = () => window.location.reload();
      return <Fault what={`The script of ${what} could not be fetched`} error={error} retry={retry} />;
    }
    return <Loading what={what} />;
  };
}
