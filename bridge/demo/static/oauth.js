// The window of the identity provider: whoever is chosen is told to the page that opened it. Nothing is shown before it
// listens: a click that comes earlier would be lost.

for (const one of document.querySelectorAll("button"))
  one.addEventListener("click", async ({ isTrusted }) => {
    if (!isTrusted) return;
    const answer = await fetch("/oauth/allow", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ email: one.textContent }),
    });
    const { token } = (await answer.json()).data.biz_data;
    opener?.postMessage({ token }, location.origin);
    close();
  });

document.querySelector("main").hidden = false;
