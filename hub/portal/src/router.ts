/** Which page is shown: the part of the address behind `#/`, which never comes to the hub. */

import { useEffect, useState } from "preact/hooks";

/** The path behind `#/`, without slashes at its ends: the empty string is the first page. */
export function currentPath(): string {
  return location.hash.replace(/^#?\/*/, "").replace(/\/+$/, "");
}

/** Go to a page. */
export function go(path: string): void {
  location.hash = `#/${path}`;
}

/** The path, followed when it changes. */
export function usePath(): string {
  const [path, setPath] = useState(currentPath);
  useEffect(() => {
    const follow = () => setPath(currentPath());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return path;
}
