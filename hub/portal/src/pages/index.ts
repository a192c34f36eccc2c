/** All pages, in the order of the navigation. A further page is a line here, a file beside it, and its texts. */

import type { Deputy } from "../client/delegation.ts";
import type { Side } from "../client/side.ts";
import type { Entrance, Page } from "../portal.ts";
import { ActingOverview } from "./acting.tsx";
import { AddDevice } from "./add_device.tsx";
import { Bring } from "./bring.tsx";
import { Close, Farewell } from "./close.tsx";
import { Data } from "./data.tsx";
import { EmergencyAccess } from "./emergency_access.tsx";
import { House } from "./house.tsx";
import { Join } from "./join.tsx";
import { Log } from "./log.tsx";
import { Lost } from "./lost.tsx";
import { Managing } from "./managing.tsx";
import { NewSheet } from "./new_sheet.tsx";
import { NewWords } from "./new_words.tsx";
import { Outside } from "./outside.tsx";
import { Overview } from "./overview.tsx";
import { ActingRecord, Patient, titleOfPatient } from "./patient.tsx";
import { Patients } from "./patients.tsx";
import { titleOf } from "./record.tsx";
import { Recover } from "./recover.tsx";
import { Relatives } from "./relatives.tsx";
import { Security } from "./security.tsx";
import { Share } from "./share.tsx";
import { SignIn } from "./sign_in.tsx";
import { SignOut } from "./sign_out.tsx";
import { SignUp } from "./sign_up.tsx";
import { Take } from "./take.tsx";
import { Welcome } from "./welcome.tsx";

/** For a device that is nobody's, and for a locked one. */
export const RECOVERY: Entrance = { path: "recover", title: "recover.title", view: Recover };

/** For a device that is nobody's yet; the first is shown where no other is asked for. */
export const ENTRANCES: readonly [Entrance, ...Entrance[]] = [
  { path: "", title: "welcome.title", view: Welcome },
  { path: "sign-up", title: "sign-up.title", view: SignUp },
  { path: "house", title: "house.title", view: House },
  { path: "sign-in", title: "sign-in.title", view: SignIn },
  { path: "join", title: "join.title", view: Join },
  RECOVERY,
  { path: "farewell", title: "farewell.title", view: Farewell },
];

/** For persons and organisations alike: devices and words, and what another granted. */
const FOR_ALL: readonly Page[] = [
  { path: "security", title: "security.title", icon: "shield", view: Security },
  { path: "add-device", title: "add.title", view: AddDevice },
  { path: "words", title: "new-words.title", view: NewWords },
  { path: "sheet", title: "new-sheet.title", view: NewSheet },
  { path: "sign-out", title: "sign-out.title", view: SignOut },
  { path: "lost", title: "lost.title", view: Lost },
  { path: "patient", title: "patient.title", place: titleOfPatient, view: Patient },
];

/** For who ends her account. */
export const CLOSING: Page = { path: "close", title: "close.title", view: Close };

type Pages = readonly [Page, ...Page[]];

/** For an open device; the first is shown where no other is asked for. */
export function pagesFor({ isPerson }: { readonly isPerson: boolean }): Pages {
  return isPerson ? PAGES : OF_ORGANISATIONS;
}

const PAGES: Pages = [
  { path: "", title: "overview.title", icon: "home", view: Overview },
  { path: "data", title: "data.title", icon: "data", short: "data.short", place: titleOf, view: Data },
  { path: "take", title: "take.title", view: Take },
  { path: "bring", title: "bring.title", icon: "add", short: "bring.short", view: Bring },
  { path: "share", title: "share.title", icon: "share", view: Share },
  { path: "relatives", title: "relatives.title", view: Relatives },
  { path: "outside", title: "outside.title", view: Outside },
  { path: "emergency", title: "emergency.title", view: EmergencyAccess },
  { path: "log", title: "log.title", icon: "eye", view: Log },
  ...FOR_ALL,
  CLOSING,
];

const OF_ORGANISATIONS: Pages = [
  { path: "", title: "patients.title", icon: "home", short: "patients.short", view: Patients },
  ...FOR_ALL,
];

/** The record of her for whom somebody acts, as far as it was granted. */
const HER_RECORD = {
  ...({ path: "patient", title: "patient.title", icon: "data", short: "acting.record" } as const),
  ...{ place: titleOfPatient, view: ActingRecord },
};

/** For somebody who acts for another with all keys: her pages, by the side that acts. */
export const FOR_ANOTHER: readonly [Page<Side>, ...Page<Side>[]] = [
  { path: "", title: "acting.title", icon: "home", short: "overview.title", view: ActingOverview },
  HER_RECORD,
  { path: "share", title: "share.title", icon: "share", view: Share },
  { path: "log", title: "log.title", icon: "eye", view: Log },
];

/** For somebody who manages for another. */
export const MANAGING: readonly [Page<Deputy>, ...Page<Deputy>[]] = [
  { path: "", title: "acting.title", icon: "home", short: "overview.title", view: Managing },
  HER_RECORD,
];
