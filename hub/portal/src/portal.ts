/** What all pages share: the device as it is now, and how it changes. */

import { type ComponentType, createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Client } from "./client/client.ts";
import type { Device } from "./client/device.ts";
import type { Key } from "./text.ts";
import type { IconName } from "./ui/icon.tsx";

/**
 * A page inside, for an open device; of another side than her own it shows a patient for whom somebody acts. `path`: up to the first slash; `icon`: it stands in the navigation, by its `short`
 * name where it has one; `place`: the title of what stands behind the slash.
 */
export type Page<S = Client> = {
  readonly path: string;
  readonly title: Key;
  readonly place?: (behind: string) => Key | null;
  readonly icon?: IconName;
  readonly short?: Key;
  readonly view: ComponentType<{ readonly client: S }>;
};

/** A page for a device that is nobody's yet. */
export type Entrance = { readonly path: string; readonly title: Key; readonly view: ComponentType };

export type Portal = {
  readonly device: Device;
  /** The device is another's now, or in another state. */
  readonly enter: (device: Device) => void;
  /** An account was put into this browser, by one of the ways in; `null` where another tab was first. */
  readonly comeIn: (client: Client | null) => Promise<void>;
  /** Act for a patient from now on, by her account; for oneself where it is empty. */
  readonly actFor: (patient: string) => void;
};

export const PortalContext = createContext<Portal | null>(null);

/** The portal around a page. */
export function usePortal(): Portal {
  const portal = useContext(PortalContext);
  if (portal === null) throw new TypeError("there is no portal around this page");
  return portal;
}

/** What the tabs of this browser tell each other: the device was locked, or left; or an account came to it. */
export type Told = "lock" | "account";

export const tabs = new BroadcastChannel("obhut-lock");

export function tellTabs(said: Told = "lock"): void {
  tabs.postMessage(said);
}
