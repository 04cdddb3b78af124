setInterval(async () => {
  const main = document.querySelector("main");
  if (document.hidden || main.contains(document.activeElement) || !getSelection().isCollapsed) return;
  const note = document.getElementById("offline");
  try {
    const reply = await fetch(location.href, { cache: "no-store" });
    if (!reply.ok) throw reply.status;
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    main.replaceWith(page.querySelector("main"));
    document.querySelector("header").replaceWith(page.querySelector("header"));
    document.title = page.title;
  } catch {
    note.hidden = false;
  }
}, 5000);
