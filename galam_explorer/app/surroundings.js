// The theme of a notebook is known to its page alone.
function is_dark() {
  const {vscodeThemeKind, jpThemeLight} = document.body.dataset
  if (vscodeThemeKind !== undefined) {
    return vscodeThemeKind === "vscode-dark" || vscodeThemeKind === "vscode-high-contrast"
  }
  return jpThemeLight === "false"
}

export function render({model}) {
  const tell = () => {
    if (model.dark !== is_dark()) { model.dark = is_dark() }
  }
  const observer = new MutationObserver(tell)
  observer.observe(document.body, {
    attributes: true, attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind"],
  })
  model.on("remove", () => observer.disconnect())
  tell()
  return document.createElement("span")
}
