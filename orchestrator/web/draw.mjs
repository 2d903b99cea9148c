// Makes the document look as a description says, by changing as little as possible: what a person
// has opened, selected or focused stays. Text is text everywhere; there is no way from a string to
// markup here.

// An element: h("p", {class: "x"}, "text", h("b", {}, "more"), condition && h(...)).
export function h(tag, attributes, ...children) {
  return {tag, attributes: attributes ?? {}, children};
}

function shown(child) {
  return child !== null && child !== undefined && child !== false && child !== "";
}

function setAttribute(element, name, value) {
  if (value === false || value === null || value === undefined) {
    element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

// What people set: a description says how it begins, and takes nothing back.
function isTheirs(element, name) {
  return name === "open" || (name === "value" && element.localName !== "progress");
}

function create(wanted) {
  if (typeof wanted !== "object") return document.createTextNode(String(wanted));
  const element = document.createElement(wanted.tag);
  for (const [name, value] of Object.entries(wanted.attributes)) setAttribute(element, name, value);
  draw(element, wanted.children);
  return element;
}

function fits(node, wanted) {
  if (typeof wanted !== "object") return node.nodeType === Node.TEXT_NODE;
  return node.nodeType === Node.ELEMENT_NODE && node.localName === wanted.tag &&
         (node.dataset.key ?? "") === String(wanted.attributes["data-key"] ?? "");
}

function update(node, wanted) {
  if (typeof wanted !== "object") {
    if (node.nodeValue !== String(wanted)) node.nodeValue = String(wanted);
    return;
  }
  for (const {name} of [...node.attributes]) {
    if (!(name in wanted.attributes) && !isTheirs(node, name)) node.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(wanted.attributes)) {
    if (!isTheirs(node, name)) setAttribute(node, name, value);
  }
  draw(node, wanted.children);
}

// Makes `children` the whole content of `parent`.
export function draw(parent, children) {
  const list = [children].flat(Infinity).filter(shown);
  list.forEach((wanted, place) => {
    const node = parent.childNodes[place];
    if (node === undefined) {
      parent.append(create(wanted));
    } else if (fits(node, wanted)) {
      update(node, wanted);
    } else {
      node.replaceWith(create(wanted));
    }
  });
  while (parent.childNodes.length > list.length) parent.lastChild.remove();
}
