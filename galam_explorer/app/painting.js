// Long lines and bands in pieces: a browser's own drawing takes a time that grows faster
// than the number of points of one path. A band of 4000 pixels as one path takes 80 ms
// where no graphics card helps, in pieces 10. What is drawn stays the same.
const long = 256
const band_piece = 32
const line_piece = 64

function view_of(name) {
  return globalThis.Bokeh?.Models?.get(name)?.prototype?.default_view?.prototype
}

function class_of(module, name) {
  try {
    return globalThis.Bokeh?.require?.(module)[name]?.prototype
  } catch { return undefined }
}

function screen(ctx) {
  // Exported SVG keeps its paths whole.
  return ctx instanceof CanvasRenderingContext2D
    || (globalThis.OffscreenCanvasRenderingContext2D
      && ctx instanceof OffscreenCanvasRenderingContext2D)
}

// First and last index of each run of finite points.
function runs(sx, sy) {
  const found = []
  let begun = -1
  for (let i = 0; i <= sx.length; i++) {
    const there = i < sx.length && isFinite(sx[i] + sy[i])
    if (there && begun < 0) { begun = i }
    if (!there && begun >= 0) { found.push([begun, i - 1]); begun = -1 }
  }
  return found
}

// Whether a run goes along one edge to the right and back along the other.
function is_band(sx, first, last) {
  const half = (last - first + 1) / 2
  if (!Number.isInteger(half)) { return false }
  for (let i = 0; i < half; i++) {
    if (sx[first + i] !== sx[last - i] || (i > 0 && !(sx[first + i] > sx[first + i - 1]))) {
      return false
    }
  }
  return true
}

// A band cut at whole pixels of the screen, where two pieces meet without a seam.
function fill_band(ctx, sx, sy, first, last, ratio, fill) {
  const middle = first + (last - first + 1) / 2
  let edge = [[sx[first], sy[first]]], back = [[sx[last], sy[last]]]
  const close = () => {
    ctx.beginPath()
    edge.forEach(([x, y], k) => k ? ctx.lineTo(x, y) : ctx.moveTo(x, y))
    for (let k = back.length - 1; k >= 0; k--) { ctx.lineTo(...back[k]) }
    ctx.closePath()
    fill()
  }
  for (let i = first + 1; i < middle; i++) {
    const j = last - (i - first), cut = Math.floor(sx[i] * ratio) / ratio
    if (edge.length >= band_piece && cut > sx[i - 1]) {
      const t = (cut - sx[i - 1]) / (sx[i] - sx[i - 1])
      const a = [cut, sy[i - 1] + t * (sy[i] - sy[i - 1])]
      const b = [cut, sy[j + 1] + t * (sy[j] - sy[j + 1])]
      edge.push(a); back.push(b)
      close()
      edge = [a]; back = [b]
    }
    edge.push([sx[i], sy[i]]); back.push([sx[j], sy[j]])
  }
  close()
}

function paint_patch(paint) {
  return function (ctx, indices, data) {
    const {sx, sy} = {...this, ...data}, {fill, hatch, line} = this.visuals
    const plain = sx.length > long && (indices.length ?? indices.count) === sx.length && screen(ctx)
      && fill.doit && !hatch.doit && (line.line_color.value === null || !line.doit)
    const found = plain ? runs(sx, sy) : []
    if (!found.length || !found.every(([first, last]) => is_band(sx, first, last))) {
      return paint.call(this, ctx, indices, data)
    }
    const ratio = ctx.getTransform().a
    for (const [first, last] of found) {
      fill_band(ctx, sx, sy, first, last, ratio, () => fill.apply(ctx))
    }
  }
}

function paint_line(paint) {
  return function (ctx, indices, data) {
    const {sx, sy} = {...this, ...data}, {line} = this.visuals
    const plain = sx.length > long && (indices.length ?? indices.count) === sx.length && screen(ctx)
      && line.doit && line.line_dash.value.length === 0
    if (!plain) { return paint.call(this, ctx, indices, data) }
    line.set_value(ctx)
    for (const [first, last] of runs(sx, sy)) {
      for (let a = first; a < last; a += line_piece) {
        const b = Math.min(a + line_piece, last)
        ctx.beginPath()
        ctx.moveTo(sx[a], sy[a])
        for (let i = a + 1; i <= b; i++) { ctx.lineTo(sx[i], sy[i]) }
        ctx.stroke()
      }
    }
  }
}

// Bokeh's own ways stay wherever they are not as they are known here.
function paint_in_pieces() {
  for (const [name, better] of [["Patch", paint_patch], ["Line", paint_line]]) {
    const view = view_of(name)
    if (view?._paint?.length === 3 && !view._paint.in_pieces) {
      view._paint = better(view._paint)
      view._paint.in_pieces = true
    }
  }
}

// A resized part makes Bokeh lay the whole page out again, 15 ms each and hundreds while it
// opens. Figures watch their own size; all else is laid out by its style sheets.
function lay_out_once() {
  const parts = view_of("panel.models.esm.ReactComponent")
  if (parts?._after_resize && !parts.calm) {
    const resized = parts._after_resize
    parts._after_resize = function () {
      if (!this.parent) { resized.call(this) }
    }
    parts.calm = true
  }
  // The observers of what holds a figure tell it its new size before its own observer does,
  // which then sees no change and draws nothing anew.
  const figures = view_of("Figure")
  if (figures?.after_resize && figures.update_bbox && figures._after_layout && !figures.calm) {
    const update = figures.update_bbox, resized = figures.after_resize
    const laid_out = figures._after_layout
    figures.update_bbox = function () {
      const changed = update.call(this)
      this.galam_stale ||= changed
      return changed
    }
    figures._after_layout = function () {
      laid_out.call(this)
      this.galam_stale = false
    }
    figures.after_resize = function () {
      resized.call(this)
      if (this.galam_stale) { this.compute_layout() }
    }
    figures.calm = true
  }
  const tables = view_of("panel.models.tabulator.DataTabulator")
  if (tables?.invalidate_layout && !tables.calm) {
    const invalidate = tables.invalidate_layout
    tables.invalidate_layout = function () {
      if (!this.parent || this.model.sizing_mode !== "stretch_both") { invalidate.call(this) }
    }
    tables.calm = true
  }
}

// A table that waits to be drawn anew asks again at once, without rest, whether it may; and for
// ever if one of its style sheets was replaced before it had loaded: a page that kept a core busy.
function wait_politely() {
  const tables = view_of("panel.models.tabulator.DataTabulator")
  if (!tables?._flush_resize_when_root_ready || !tables._has_active_editor || tables.polite) {
    return
  }
  const flush = tables._flush_resize_when_root_ready
  tables._flush_resize_when_root_ready = async function () {
    await this.root.ready
    while (this._resize_pending && !may_draw(this)) {
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    return flush.call(this)
  }
  tables.polite = true
}

function may_draw(table) {
  if (table._is_scrolling || table._initializing || !table.container || table.is_drawing
    || table._has_active_editor()) {
    return false
  }
  const sheets = table._initialized_stylesheets ?? new Map()
  const links = [...table.shadow_el.querySelectorAll("link")]
  for (const address of sheets.keys()) {
    const link = links.find((one) => one.href === address)
    if (!link || link.sheet) { sheets.set(address, true) }
  }
  return [...sheets.values()].every((one) => one)
}

// At each drawing Bokeh asks the style sheets for every colour of every axis, and the browser
// must then first work out the styles of all that has just changed. What they say of a figure
// stays while it is on the page.
function remember_styles() {
  const properties = class_of("core/visuals/visual", "VisualProperties")
  if (!properties?._get_css_value || properties.calm) { return }
  const ask = properties._get_css_value
  properties._get_css_value = function (name) {
    const known = this.known_styles ??= new Map()
    if (known.has(name)) { return known.get(name) }
    const found = ask.call(this, name)
    if (this.obj.el?.isConnected) { known.set(name, found) }
    return found
  }
  properties.calm = true
}

// At each drawing Bokeh writes the position of each of its parts into a style sheet anew. The
// same rules written again cost the browser a search of all styles at the next text drawn.
function write_styles_once() {
  const sheets = class_of("core/dom", "InlineStyleSheet")
  if (!sheets?._update || sheets.calm) { return }
  const write = sheets._update
  sheets._update = function (css) {
    if (this.galam_css !== css) {
      this.galam_css = css
      write.call(this, css)
    }
  }
  sheets.calm = true
  leave_glyphs_placed()
  remember_font_size()
}

function leave_glyphs_placed() {
  // The box of what a glyph has drawn, which nothing here is placed in, moves with all data.
  const glyphs = view_of("GlyphRenderer")
  if (glyphs?.update_position) {
    const place = glyphs.update_position
    glyphs.update_position = function () {
      if (!this.galam_placed) { place.call(this) }
      this.galam_placed = true
    }
  }
}

function remember_font_size() {
  // What the size of letters without a unit is relative to; asked for at each drawing.
  const figures = view_of("Figure")
  const size = figures && inherited(figures, "base_font_size")
  if (size?.get) {
    Object.defineProperty(figures, "base_font_size", {configurable: true, get() {
      if (this.el.isConnected) { this.galam_font_size ??= size.get.call(this) }
      return this.galam_font_size ?? size.get.call(this)
    }})
  }
}

function inherited(prototype, name) {
  for (let one = prototype; one; one = Object.getPrototypeOf(one)) {
    const found = Object.getOwnPropertyDescriptor(one, name)
    if (found) { return found }
  }
}

// New columns of another length are told twice, as data and as rows, and all that is drawn
// of them would be prepared twice.
function update_once() {
  const glyphs = view_of("GlyphRenderer")
  if (!glyphs?.update_data || glyphs.update_once) { return }
  const update = glyphs.update_data
  glyphs.update_data = function (indices) {
    if (indices !== undefined) { return update.call(this, indices) }
    this.galam_update ??= Promise.resolve().then(() => {
      this.galam_update = null
      return update.call(this)
    })
    return this.galam_update
  }
  glyphs.update_once = true
}

// FilePond, which takes the files of "Your galaxy", draws sixty times a second on every page
// that has its script, unless it finds that somebody draws for it: here, while there is a place
// to drop files (see dropper.py).
function draw_droppers_shown() {
  const painter = globalThis.__framePainter
  const droppers = view_of("panel.models.file_dropper.FileDropper")
  if (!painter?.galam || !droppers?.render || droppers.calm) { return }
  const {render, remove} = droppers, shown = new Set()
  // By the clock: frames stop while another tab of the browser is looked at.
  let clock = null
  const draw = () => {
    if (!shown.size) {
      clearInterval(clock)
      clock = null
      return
    }
    for (const read of painter.readers) { read() }
    for (const write of painter.writers) { write(performance.now()) }
  }
  droppers.render = function () {
    render.call(this)
    shown.add(this)
    clock ??= setInterval(draw, 1000 / 60)
  }
  droppers.remove = function () {
    remove.call(this)
    shown.delete(this)
  }
  droppers.calm = true
}

function improve() {
  wait_politely()
  update_once()
  draw_droppers_shown()
  remember_styles()
  write_styles_once()
  paint_in_pieces()
  lay_out_once()
}

improve()
// In the head of a page, Panel's own script is not there yet.
if (document.readyState === "loading") { document.addEventListener("DOMContentLoaded", improve) }
