// Live parts of the page. Nothing here is needed to read it. No text of the server becomes HTML here.
"use strict";

(() => {
  // Parts that are read again, while somebody looks.
  for (const part of document.querySelectorAll("[data-refresh]")) {
    const id = part.id;
    setInterval(() => {
      const shown = document.getElementById(id);
      if (!document.hidden && shown && !shown.contains(document.activeElement)) {
        htmx.trigger(shown, "refresh");
      }
    }, Number(part.dataset.refresh) * 1000);
  }

  // A part that cannot be read again for a while stays, with a word about that.
  const stale = document.getElementById("stale");
  const isRefreshed = (event) => stale && event.detail.elt.dataset.refresh;
  document.addEventListener("htmx:sendError", (event) => { if (isRefreshed(event)) stale.hidden = false; });
  document.addEventListener("htmx:afterSwap", () => { if (stale) stale.hidden = true; });

  // A button that finds nothing to be done any more, or a session that has ended: the server says why.
  document.addEventListener("htmx:responseError", (event) => {
    if (isRefreshed(event) && event.detail.xhr.status >= 500) stale.hidden = false;
    else location.reload();
  });

  const table = document.getElementById("moments");
  if (!table) return;
  const rows = table.tBodies[0];
  const model = document.getElementById("moment");
  const most = 200;
  const live = document.getElementById("live");
  const lost = document.getElementById("lost");
  // Milliseconds without a sign of the server, which gives one each 15 seconds: a process or a network that is frozen
  // closes no connection.
  const patience = 40000;
  let stream = null;
  let again = 0;
  let heard = 0;

  const show = (moment) => {
    if ([...rows.rows].some((row) => row.dataset.id === moment.id)) return;
    const row = model.content.firstElementChild.cloneNode(true);
    row.dataset.id = moment.id;
    for (const cell of row.querySelectorAll("[data-cell]")) {
      const value = moment[cell.dataset.cell];
      (cell.querySelector("bdi, span, code") || cell).textContent = value;
    }
    row.querySelector(".state").classList.add(moment.state);
    row.querySelector("a").href = "/admin/trace?message=" + encodeURIComponent(moment.key);
    row.classList.add("fresh");
    rows.prepend(row);
    while (rows.rows.length > most) rows.lastElementChild.remove();
    document.getElementById("nothing").hidden = true;
  };

  const tell = (isLive) => {
    live.hidden = !isLive;
    lost.hidden = isLive;
  };

  const hear = () => {
    heard = Date.now();
    tell(true);
  };

  const open = () => {
    clearTimeout(again);
    if (stream || document.hidden) return;
    heard = Date.now();
    stream = new EventSource(table.dataset.events);
    stream.addEventListener("here", hear);
    stream.addEventListener("turn", (event) => { hear(); show(JSON.parse(event.data)); });
    stream.addEventListener("away", () => tell(false));
    stream.addEventListener("error", () => {
      tell(false);
      // The browser connects again by itself, unless the server has refused.
      if (stream && stream.readyState === EventSource.CLOSED) {
        close();
        again = setTimeout(open, 30000);
      }
    });
  };

  const close = () => {
    if (stream) stream.close();
    stream = null;
  };

  setInterval(() => {
    if (!stream || Date.now() - heard < patience) return;
    tell(false);
    close();
    open();
  }, 2000);

  // A page in the background costs the bridge nothing.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
})();
