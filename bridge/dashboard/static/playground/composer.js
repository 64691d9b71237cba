// The input for a question: Enter sends, Shift+Enter begins a new line, files are chosen, dropped or pasted.

import { html, useRef, useState } from "../html.js";
import { Icon } from "../components/icons.js";

export function Composer({ isRunning, isReady, onAsk, onStop }) {
  const [text, setText] = useState("");
  const [files, setFiles] = useState([]);
  const picker = useRef(null);
  const canSend = isReady && !isRunning && Boolean(text.trim());
  const submit = () => {
    if (!canSend) return;
    setText("");
    setFiles([]);
    onAsk(text, files).then((answer) => {
      if (answer) return; // otherwise it was not sent, so the text and the files are restored
      setText((now) => now || text);
      setFiles((now) => [...files, ...now]);
    });
  };
  const take = (list) => setFiles((before) => [...before, ...list]);
  const onKeyDown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  };
  const onPaste = ({ clipboardData }) => clipboardData.files.length && take(clipboardData.files);
  const onDrop = (event) => {
    event.preventDefault();
    take(event.dataTransfer.files);
  };
  return html`<form class="composer" onSubmit=${(event) => {
    event.preventDefault();
    submit();
  }} onDragOver=${(event) => event.preventDefault()} onDrop=${onDrop}>
    ${
      files.length > 0 &&
      html`<ul class="row wrap" aria-label="Files">${files.map(
        (file, index) => html`<li key=${index} class="badge plain">
      <span class="clip">${file.name}</span><button type="button" class="remove" aria-label=${`Remove ${file.name}`}
        onClick=${() => setFiles(files.filter((other) => other !== file))}><${Icon} name="close" size=${12} /></button>
        </li>`,
      )}</ul>`
    }
    <textarea class="input" rows="3" dir="auto" aria-label="Your question"
      placeholder=${isReady ? "Ask something" : "No account is ready, so there is no model to ask."}
      value=${text} onInput=${(event) => setText(event.target.value)} onKeyDown=${onKeyDown}
        onPaste=${onPaste}></textarea>
    <div class="row">
      <input ref=${picker} type="file" multiple hidden tabindex="-1" aria-label="Files" onChange=${(event) => {
        take(event.target.files);
        event.target.value = "";
      }} />
      <button type="button" class="button quiet" onClick=${() => picker.current.click()}>
        <${Icon} name="clip" />Files</button>
      <span class="grow"></span>
      ${
        isRunning
          ? html`<button type="button" class="button" onClick=${onStop}><${Icon} name="stop" />Stop</button>`
          : html`<button class="button primary" disabled=${!canSend}><${Icon} name="send" />Send</button>`
      }
    </div></form>`;
}
