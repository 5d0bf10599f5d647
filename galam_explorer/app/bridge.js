// Keys, clipboard, downloads, and the time from an action to painted views.
let last_action = 0
let pending = 0
let waiting = false

function typing(event) {
  const target = event.composedPath()[0]
  if (!(target instanceof HTMLElement)) { return false }
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName)
}

function find_input(root) {
  for (const el of root.querySelectorAll("*")) {
    if (el.tagName === "INPUT" && el.closest(".galam-search")) { return el }
    if (el.shadowRoot) {
      const inner = el.classList.contains("galam-search")
        ? el.shadowRoot.querySelector("input") : find_input(el.shadowRoot)
      if (inner) { return inner }
    }
  }
  return null
}

function save(blob, name) {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(blob)
  link.download = name
  document.body.appendChild(link)
  link.click()
  link.remove()
  setTimeout(() => URL.revokeObjectURL(link.href), 10000)
}

// Of models with the same name, the one that is on the page.
function views_of(names) {
  const models = Bokeh.documents.flatMap((doc) => [...doc._all_models.values()])
  return names.flatMap((name) => models.filter((model) => model.name === name)
    .map((model) => Bokeh.index.find_one_by_id(model.id)).filter((view) => view).slice(0, 1))
}

function place(views, columns) {
  const boxes = views.map((view) => ({view, w: view.bbox.width, h: view.bbox.height}))
  const wide = Math.max(...boxes.map((b) => b.w)), high = Math.max(...boxes.map((b) => b.h))
  boxes.forEach((b, i) => { b.x = (i % columns) * wide; b.y = Math.floor(i / columns) * high })
  const rows = Math.ceil(boxes.length / columns)
  return {boxes, width: Math.min(columns, boxes.length) * wide, height: rows * high}
}

function export_png(views, {columns, filename, background}) {
  const {boxes, width, height} = place(views, columns)
  const ratio = 2
  const sheet = document.createElement("canvas")
  sheet.width = width * ratio
  sheet.height = height * ratio
  const ctx = sheet.getContext("2d")
  ctx.fillStyle = background
  ctx.fillRect(0, 0, sheet.width, sheet.height)
  for (const {view, x, y, w, h} of boxes) {
    const {canvas} = view.export("png", true)
    ctx.drawImage(canvas, x * ratio, y * ratio, w * ratio, h * ratio)
  }
  sheet.toBlob((blob) => save(blob, filename), "image/png")
}

function export_svg(views, {columns, filename, background}) {
  const {boxes, width, height} = place(views, columns)
  let body = `<rect width="${width}" height="${height}" fill="${background}"/>`
  boxes.forEach(({view, x, y, w, h}, i) => {
    let svg = view.export("svg", false).ctx.get_serialized_svg(true)
    svg = svg.replace(/^<\?xml[^>]*>/, "").replace(/<!DOCTYPE[^>]*>/, "")
    // Ids of clip paths must differ between the nested drawings.
    svg = svg.replace(/id="/g, `id="f${i}-`).replace(/url\(#/g, `url(#f${i}-`)
    svg = svg.replace(/url\(&quot;#/g, `url(&quot;#f${i}-`).replace(/href="#/g, `href="#f${i}-`)
    body += `<g transform="translate(${x},${y})">${svg}</g>`
  })
  const text = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ` +
    `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${body}</svg>`
  save(new Blob([text], {type: "image/svg+xml"}), filename)
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement("textarea")
    area.value = text
    area.style.position = "fixed"
    document.body.appendChild(area)
    area.select()
    const done = document.execCommand("copy")
    area.remove()
    return done
  }
}

// A notebook's page is not ours: its keys and its address are left alone.
function is_guest() {
  const {jpThemeLight, vscodeThemeKind} = document.body.dataset
  return jpThemeLight !== undefined || vscodeThemeKind !== undefined
}

function outermost(el) {
  while (el.getRootNode() instanceof ShadowRoot) { el = el.getRootNode().host }
  return el
}

export function render({model, el}) {
  const send = (message) => model.send_msg(message)
  const elsewhere = (event) => is_guest() && !event.composedPath().includes(outermost(el))

  // At most one step is on its way; further presses add up and go together.
  const flush = () => {
    if (waiting || pending === 0) { return }
    waiting = true
    send({kind: "step", count: pending})
    pending = 0
  }

  const act = (event) => { last_action = event.timeStamp || performance.now() }
  const on_key = (event) => {
    if (elsewhere(event)) { return }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event)) {
      if (event.key === "Enter") { act(event) }
      return
    }
    const key = event.key
    if (key === "j" || key === "k") {
      act(event)
      pending += key === "j" ? 1 : -1
      flush()
    } else if (key === " ") {
      if (event.composedPath().some((el) => el.tagName === "BUTTON")) { return }
      act(event)
      event.preventDefault()
      send({kind: "blink"})
    } else if (key === "/") {
      event.preventDefault()
      const input = find_input(document)
      input?.focus()
      input?.select()
    } else if (key === "m") {
      send({kind: "mark"})
    } else if (key === "n") {
      event.preventDefault()
      send({kind: "note"})
    } else if (key === "?") {
      send({kind: "help"})
    }
  }
  window.addEventListener("keydown", on_key, true)
  window.addEventListener("pointerup", act, true)

  model.on("seq", () => {
    waiting = false
    flush()
    const started = last_action
    if (!started) { return }
    last_action = 0
    // Two frames later the new data are laid out and painted.
    requestAnimationFrame(() => requestAnimationFrame(() => {
      model.latency = performance.now() - started
    }))
  })

  model.on("search", () => {
    if (model.search && !is_guest()) { history.replaceState(history.state, "", model.search) }
  })

  model.on("msg:custom", async (message) => {
    if (message.kind === "export") {
      const views = views_of(message.names)
      if (!views.length) { send({kind: "failed", text: "This figure is not on the page now."}); return }
      try {
        (message.format === "svg" ? export_svg : export_png)(views, message)
      } catch (error) {
        send({kind: "failed", text: `The browser could not export this figure (${error}).`})
      }
    } else if (message.kind === "copy") {
      const text = message.text ?? window.location.href
      send({kind: (await copy(text)) ? "copied" : "failed", text: message.done ?? text})
    } else if (message.kind === "save") {
      const bytes = Uint8Array.from(atob(message.base64), (c) => c.charCodeAt(0))
      save(new Blob([bytes], {type: message.type}), message.filename)
    }
  })

  model.on("remove", () => {
    window.removeEventListener("keydown", on_key, true)
    window.removeEventListener("pointerup", act, true)
  })
  // The page answers to keys from here on.
  document.documentElement.dataset.galam = "ready"
  return document.createElement("span")
}
