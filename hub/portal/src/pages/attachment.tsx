/** A document inside the page: a picture, a PDF or text, opened from memory and from nowhere else. */

import { useEffect, useMemo, useState } from "preact/hooks";
import type { Resource } from "../opening.ts";
import { all, plain } from "../summary.ts";
import { text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { useTask } from "../ui/task.ts";

/** What is shown as it is; all else is only handed out as a file. */
const PICTURES = ["image/jpeg", "image/png"];
const PDF = "application/pdf";

export function hasAttachment(resource: Resource): boolean {
  return plain(resource, "content.attachment.data") !== "";
}

/** `note`: what has to be done before it is shown. */
export function Attachment({ resource, note }: { resource: Resource; note: () => Promise<void> }) {
  const [shown, show] = useState(false);
  const showing = useTask(async () => {
    await note();
    show(true);
  });
  if (shown) return <Shown resource={resource} />;
  return (
    <>
      <ProblemNotice problem={showing.problem} />
      <Button busy={showing.busy} onClick={() => void showing.run()}>
        {text("document.show")}
      </Button>
    </>
  );
}

function Shown({ resource }: { resource: Resource }) {
  const [attachment] = all(resource, "content.attachment");
  const [type = ""] = plain(attachment, "contentType").toLowerCase().split(";");
  const name = plain(attachment, "title") || text("document.title");
  const blob = useMemo(() => new Blob([decoded(plain(attachment, "data"))], { type: allowed(type) }), [attachment]);
  const [url, setUrl] = useState("");
  const [words, setWords] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(blob);
    setUrl(made);
    if (type === "text/plain") void blob.text().then(setWords);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  if (url === "") return null;
  return (
    <figure class="document">
      {PICTURES.includes(type) && <img src={url} alt={name} />}
      {type === PDF && <iframe src={url} title={name} />}
      {type === "text/plain" && <pre>{words}</pre>}
      {allowed(type) === OTHER && <Notice>{text("document.unknown")}</Notice>}
      <figcaption>
        <a class="button secondary" href={url} download={name}>
          {text("document.save")}
        </a>
      </figcaption>
    </figure>
  );
}

const OTHER = "application/octet-stream";

/** Never a type that could run in this page's name. */
function allowed(type: string): string {
  return [...PICTURES, PDF, "text/plain"].includes(type) ? type : OTHER;
}

function decoded(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
