/** Who sits at the device of an organisation: asked before anything of a patient is shown. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { type Member, memberOf, setMember } from "../client/member.ts";
import { ROLES } from "../floor.ts";
import { type Key, text } from "../text.ts";
import { Choice } from "../ui/choice.tsx";
import { Done } from "../ui/done.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { useTask } from "../ui/task.ts";

/** What a member sees, once it is known who that is. */
export function AsMember({ client, children }: { client: Client; children: (member: Member) => ComponentChildren }) {
  const [member, setState] = useState<Member | null | undefined>(undefined);
  const [stated, setStated] = useState(false);
  const look = async () => setState(await memberOf(client));
  useEffect(() => void look(), [client]);
  if (member === undefined) return null;
  if (member === null) {
    return (
      <MemberForm
        client={client}
        onStated={() => {
          setStated(true);
          void look();
        }}
      />
    );
  }
  return (
    <>
      {stated && <Done said={text("member.saved")} />}
      {children(member)}
    </>
  );
}

type MemberFormProps = { readonly client: Client; readonly member?: Member; readonly onStated: () => void };

export function MemberForm({ client, member, onStated }: MemberFormProps) {
  const [name, setName] = useState(member?.name ?? "");
  const [role, setRole] = useState(member?.role ?? "");
  const [missing, setMissing] = useState(false);
  const [saved, count] = useState(0);
  const stating = useTask(async () => {
    setMissing(name.trim() === "");
    if (name.trim() === "") return;
    await setMember(client, { name: name.trim(), role: role || "nurse" });
    count(saved + 1);
    onStated();
  });
  return (
    <section class="card">
      <h2>{text("member.title")}</h2>
      <p>{text("member.why")}</p>
      <Form task={stating} submit={text("member.save")}>
        <Field
          label={text("member.name")}
          hint={text("member.name-hint")}
          value={name}
          onInput={setName}
          error={missing ? text("member.no-name") : ""}
          autocomplete="name"
        />
        <Choice
          label={text("member.role")}
          hint={text("member.role-hint")}
          value={role || "nurse"}
          options={ROLES.map((one) => [one, text(`role.${one}` as Key)])}
          onChoose={setRole}
        />
      </Form>
      {saved > 0 && <Done key={saved} said={text("member.saved")} />}
    </section>
  );
}
