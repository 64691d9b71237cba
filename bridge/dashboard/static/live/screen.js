// The picture of the page on a canvas: fitted into the stage, zoomed on request; converts positions to the page's pixels.

const LARGEST_ZOOM = 4;

export class Screen {
  #canvas;
  #stage;
  #context;
  #scale = 1;
  #offset = { x: 0, y: 0 };
  page = { width: 1280, height: 800 };
  zoom = 1;

  constructor(canvas, stage) {
    this.#canvas = canvas;
    this.#stage = stage;
    this.#context = canvas.getContext("2d");
    this.fit();
    new ResizeObserver(() => this.fit()).observe(stage);
  }

  // Draws a picture; resolves when it is drawn.
  async draw({ width, height, jpeg }) {
    const image = await createImageBitmap(jpeg);
    const canvas = this.#canvas;
    if (canvas.width !== image.width || canvas.height !== image.height) {
      canvas.width = image.width;
      canvas.height = image.height;
    }
    this.#context.drawImage(image, 0, 0);
    image.close();
    if (width && height && (width !== this.page.width || height !== this.page.height)) {
      this.page = { width, height };
      this.zoomTo(1);
    }
  }

  // The size of the whole page on this screen in device pixels.
  get wanted() {
    const ratio = (window.devicePixelRatio || 1) * this.#scale;
    const length = (css) => Math.max(1, Math.min(10000, Math.round(css * Math.min(ratio, 1))));
    return { width: length(this.page.width), height: length(this.page.height) };
  }

  // Converts a position in the window to CSS pixels of the page.
  place({ clientX, clientY }) {
    const box = this.#canvas.getBoundingClientRect();
    const x = ((clientX - box.left) / box.width) * this.page.width;
    const y = ((clientY - box.top) / box.height) * this.page.height;
    return { x: Math.round(x * 10) / 10, y: Math.round(y * 10) / 10 };
  }

  get scale() {
    return this.#scale;
  }

  zoomTo(zoom, centre) {
    const room = this.#stage.getBoundingClientRect();
    const at = centre ?? { x: room.left + room.width / 2, y: room.top + room.height / 2 };
    const before = this.#scale;
    this.zoom = Math.max(1, Math.min(LARGEST_ZOOM, zoom));
    const after = this.#fitting() * this.zoom;
    const [x, y] = [at.x - room.left, at.y - room.top];
    this.#offset = { x: x - ((x - this.#offset.x) * after) / before, y: y - ((y - this.#offset.y) * after) / before };
    this.fit();
  }

  pan(dx, dy) {
    this.#offset = { x: this.#offset.x + dx, y: this.#offset.y + dy };
    this.fit();
  }

  // The zoom at which the page fills the height, which makes the middle of the page readable on a phone.
  get fullHeight() {
    return Math.max(1, this.#stage.getBoundingClientRect().height / (this.page.height * this.#fitting()));
  }

  // The zoom at which the page has its own size.
  get ownSize() {
    return Math.max(1, Math.min(LARGEST_ZOOM, 1 / this.#fitting()));
  }

  fit() {
    const { width, height } = this.page;
    const room = this.#stage.getBoundingClientRect();
    this.#scale = this.#fitting() * this.zoom;
    const inside = (offset, space, length) =>
      length <= space ? (space - length) / 2 : Math.min(0, Math.max(space - length, offset));
    this.#offset = {
      x: inside(this.#offset.x, room.width, width * this.#scale),
      y: inside(this.#offset.y, room.height, height * this.#scale),
    };
    const { style } = this.#canvas;
    style.width = `${width}px`;
    style.height = `${height}px`;
    style.transform = `translate(${this.#offset.x}px, ${this.#offset.y}px) scale(${this.#scale})`;
    this.#stage.dispatchEvent(new Event("fitted"));
  }

  #fitting() {
    const room = this.#stage.getBoundingClientRect();
    return Math.max(0.05, Math.min(1, room.width / this.page.width, room.height / this.page.height));
  }
}
