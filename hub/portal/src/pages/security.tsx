/** Devices and security: which devices the account has, how this one is unlocked, and what to do when one is lost. */

import { useEffect, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { type DeviceRow, devices, handKey, withoutKey } from "../client/devices.ts";
import { addPasskey, knowsPasskeys } from "../client/passkey.ts";
import { type Member, memberOf } from "../client/member.ts";
import { Safe, type Way } from "../client/safe.ts";
import { IDLE_CHOICES, idleMinutes, setIdleMinutes } from "../idle.ts";
import { moment, text } from "../text.ts";
import type { RootCompartment } from "../vault.ts";
import { Button, LinkButton } from "../ui/button.tsx";
import { Choice } from "../ui/choice.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { Table } from "../ui/table.tsx";
import { useTask } from "../ui/task.ts";
import { MemberForm } from "./member.tsx";

export function Security({ client }: { client: Client }) {
  return (
    <>
      {!client.isPerson && <Who client={client} />}
      <Devices client={client} />
      <Unlocking client={client} />
      <ThisBrowser />
      {client.isPerson && <Closing />}
    </>
  );
}

function Closing() {
  return (
    <section class="card">
      <h2>{text("close.title")}</h2>
      <p>{text("close.why")}</p>
      <LinkButton to="close" look="danger">
        {text("close.look")}
      </LinkButton>
    </section>
  );
}

/** Who sits at this device of an organisation. */
function Who({ client }: { client: Client }) {
  const [member, setMember] = useState<Member | null | undefined>(undefined);
  useEffect(() => void memberOf(client).then(setMember), [client]);
  if (member === undefined) return null;
  return <MemberForm client={client} {...(member && { member })} onStated={() => {}} />;
}

function Devices({ client }: { client: Client }) {
  const rows = devices(client);
  const [names, setNames] = useState<RootCompartment["names"]>({});
  const look = useTask(async () => setNames((await client.unsealed()).root.names));
  useEffect(() => void look.run(), []);
  return (
    <section class="card">
      <h2>{text("security.devices")}</h2>
      <p>{text("security.devices-why")}</p>
      <Table
        caption={text("security.devices")}
        head={[text("security.device"), text("security.since"), text("security.shut-out")]}
        rows={rows.map((row) => ({
          key: row.name,
          cells: [deviceName(row, names), moment(row.since), row.own ? "" : <Lost device={row} />],
        }))}
      />
      <WithoutKey client={client} />
      <div class="actions">
        <LinkButton to="add-device">{text("add.title")}</LinkButton>
      </div>
    </section>
  );
}

/** Devices that are the account's and can open nothing, because the vault's key was never wrapped for them. */
function WithoutKey({ client }: { client: Client }) {
  const [names, setNames] = useState<readonly string[]>([]);
  const look = useTask(async () => setNames(await withoutKey(client)));
  useEffect(() => void look.run(), []);
  const handing = useTask(async (name: string) => {
    await handKey(client, name);
    await look.run();
  });
  return (
    <>
      {names.map((name) => (
        <Notice key={name} mood="warning">
          {text("security.without-key", { name: name.slice(-4) })}{" "}
          <Button busy={handing.busy} onClick={() => void handing.run(name)}>
            {text("security.hand-key")}
          </Button>
        </Notice>
      ))}
      <ProblemNotice problem={handing.problem} />
    </>
  );
}

/** What else is replaced, or left. */
function ThisBrowser() {
  return (
    <section class="card">
      <h2>{text("browser.title")}</h2>
      <p>{text("browser.why")}</p>
      <div class="actions">
        <LinkButton to="words">{text("new-words.title")}</LinkButton>
        <LinkButton to="sheet">{text("new-sheet.title")}</LinkButton>
        <LinkButton to="sign-out" look="danger">
          {text("sign-out.title")}
        </LinkButton>
      </div>
    </section>
  );
}

/** By what it is called where she knows, and by the end of its name in the account's chain. */
function deviceName({ own, role, name }: DeviceRow, names: RootCompartment["names"]): string {
  const kind = own ? text("security.this-device") : (names[name] ?? text(`security.role-${role}`));
  return `${kind} (${name.slice(-4)})`;
}

function Lost({ device }: { device: DeviceRow }) {
  return (
    <LinkButton to={`lost/${device.name}`} look="danger">
      {text("security.lost")} <span class="unseen">{device.name.slice(-4)}</span>
    </LinkButton>
  );
}

function Unlocking({ client }: { client: Client }) {
  const [ways, setWays] = useState<readonly Way[]>([]);
  const [minutes, setMinutes] = useState(idleMinutes);
  const look = async () => setWays((await Safe.label(client.db))?.ways ?? []);
  useEffect(() => void look(), []);
  const adding = useTask(async () => {
    await addPasskey(client, document.title.split(" · ").at(-1) ?? "");
    await look();
  });
  const removing = useTask(async (way: Way) => {
    await client.safe.removeWay(way.name);
    await look();
  });
  const passkeys = ways.filter(({ kind }) => kind === "passkey");
  return (
    <section class="card">
      <h2>{text("security.unlocking")}</h2>
      <Choice
        label={text("security.idle")}
        hint={text("security.idle-why")}
        value={String(minutes)}
        options={IDLE_CHOICES.map((count) => [String(count), text("security.minutes", { count })])}
        onChoose={(value) => setMinutes(setIdleMinutes(Number(value)))}
      />
      <p>{text("security.passkey-why")}</p>
      {passkeys.length > 0 && <Notice mood="good">{text("security.has-passkey")}</Notice>}
      <ProblemNotice problem={adding.problem ?? removing.problem} />
      <div class="actions">
        {passkeys.map((way) => (
          <Button key={way.name} look="danger" busy={removing.busy} onClick={() => void removing.run(way)}>
            {text("security.remove-passkey")}
          </Button>
        ))}
        {passkeys.length === 0 && knowsPasskeys() && (
          <Button busy={adding.busy} onClick={() => void adding.run()}>
            {text("security.add-passkey")}
          </Button>
        )}
      </div>
    </section>
  );
}
