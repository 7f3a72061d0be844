/** Files on their way to the broker and back. */
import { Refusal, Unreachable } from "../../link/refusal";
import type { Attachment } from "../../wire/frames";
import type { BlobInfo, Problem } from "../../wire/http";

/** `fetch` does not tell how far an upload is. */
export function upload(file: File, progress: (part: number) => void): Promise<Attachment> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/api/v1/blobs?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) progress(event.loaded / event.total);
    });
    request.addEventListener("error", () => reject(new Unreachable()));
    request.addEventListener("load", () => {
      try {
        const answer: unknown = JSON.parse(request.responseText);
        if (request.status >= 400) reject(Refusal.ofProblem(answer as Problem));
        else resolve(attachment(answer as BlobInfo, file));
      } catch {
        reject(new Unreachable());
      }
    });
    request.send(file);
  });
}

function attachment(blob: BlobInfo, file: File): Attachment {
  // In frames a blob has a scheme before its digest, in paths it has none.
  const reference = blob.id.startsWith("blob:") ? blob.id : `blob:${blob.id}`;
  return { blob: reference, name: file.name, media_type: blob.media_type, bytes: blob.bytes };
}

export const pathOf = ({ blob }: Attachment): string => `/api/v1/blobs/${blob.replace(/^blob:/, "")}`;
