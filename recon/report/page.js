// The view in 3-D: mesh and scan from the JSON beside, in steps from one corner of their box.
(() => {
  "use strict";
  const get = (id) => document.getElementById(id);
  const data = JSON.parse(get("scene").textContent);
  const palettes = JSON.parse(get("palettes").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  // World coordinates less the middle of the box, in half longest sides: small numbers, whatever the survey's offset.
  const extent = data.high.map((high, axis) => high - data.low[axis]);
  const half = Math.max(...extent, data.step) / 2;
  const corner = extent.map((side) => -side / 2 / half);
  const scale = (65535 * data.step) / half; // of positions that run from 0 to 1

  let renderer;
  try {
    renderer = new THREE.WebGLRenderer({ canvas: get("canvas"), antialias: true });
  } catch (error) {
    const failed = document.createElement("p");
    failed.className = "failed";
    failed.textContent = "This browser has no WebGL: see the pictures below.";
    get("view").append(failed);
    get("bar").hidden = get("hint").hidden = true;
    return;
  }
  renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
  const scene = new THREE.Scene();
  scene.background = new THREE.Color("#ffffff");
  const camera = new THREE.PerspectiveCamera(30, 1, 0.01, 100);
  const light = new THREE.DirectionalLight("#ffffff");
  light.position.set(-0.6, 1, 1); // above the viewer's left
  camera.add(light, light.target);
  light.target.position.set(0, 0, -1);
  const everywhere = new THREE.AmbientLight("#ffffff");
  scene.add(camera, everywhere);

  const BODY = new THREE.Color("#99b5d4").toArray(), POINTS = new THREE.Color("#2f3a44").toArray();
  const linear = new Float32Array(256); // of sRGB bytes: what the renderer calculates with
  for (let byte = 0; byte < 256; byte++) {
    linear[byte] = new THREE.Color().setRGB(byte / 255, 0, 0, THREE.SRGBColorSpace).r;
  }

  function placed(thing) {
    thing.scale.setScalar(scale);
    thing.position.set(...corner);
    scene.add(thing);
    return thing;
  }
  function geometry(part) {
    const shape = new THREE.BufferGeometry();
    const positions = new Uint16Array(bytes(part.positions).buffer);
    shape.setAttribute("position", new THREE.BufferAttribute(positions, 3, true));
    shape.setAttribute("color", new THREE.BufferAttribute(new Float32Array(positions.length), 3));
    return shape;
  }

  let front = null, back = null;
  if (data.mesh) {
    const shape = geometry(data.mesh);
    shape.setIndex(new THREE.BufferAttribute(new Uint32Array(bytes(data.mesh.faces).buffer), 1));
    if (data.mesh.normals) {
      const normals = new Int8Array(bytes(data.mesh.normals).buffer);
      shape.setAttribute("normal", new THREE.BufferAttribute(normals, 3, true));
    } else {
      shape.computeVertexNormals();
    }
    const look = { vertexColors: true, roughness: 0.75, metalness: 0 };
    front = placed(new THREE.Mesh(shape, new THREE.MeshStandardMaterial({ ...look, side: THREE.FrontSide })));
    back = placed(new THREE.Mesh(shape, new THREE.MeshStandardMaterial({ ...look, side: THREE.BackSide })));
    back.material.vertexColors = false;
    back.material.color.set("#e08060");
  }
  const cloud = placed(
    new THREE.Points(
      geometry(data.cloud),
      new THREE.PointsMaterial({ vertexColors: true, sizeAttenuation: false, size: 2.5 }),
    ),
  );

  // Colours: one for all, those of the scan, or a scalar through the palette.
  const own = Boolean(data.cloud.colors);
  const modes = [{ name: "plain" }, ...(own ? [{ name: "of the scan", colors: true }] : []), ...data.scalars];
  modes.forEach((mode, index) => get("color").add(new Option(mode.name, index)));
  get("color").value = data.first ? modes.findIndex((mode) => mode.name === data.first) : own ? 1 : 0;

  const colors256 = (mode) => palettes[mode.signed ? "diverging" : "sequential"];
  function paint(thing, part, shades, mode, plain) {
    const attribute = thing.geometry.getAttribute("color");
    const target = attribute.array, colors = mode.colors && part.colors ? bytes(part.colors) : null;
    const levels = shades ? bytes(shades) : null;
    for (let vertex = 0; vertex < attribute.count; vertex++) {
      const rgb = levels ? colors256(mode)[levels[vertex]] : null;
      for (let channel = 0; channel < 3; channel++) {
        const place = 3 * vertex + channel;
        if (rgb) target[place] = linear[rgb[channel]];
        else if (colors) target[place] = linear[colors[place]];
        else target[place] = plain[channel];
      }
    }
    attribute.needsUpdate = true;
  }
  function recolor() {
    const mode = modes[get("color").value];
    if (front) paint(front, data.mesh, mode.mesh, mode, BODY);
    paint(cloud, data.cloud, mode.cloud, mode, POINTS);
    const measured = mode.low !== undefined; // then shades must not hide the colours of the legend
    everywhere.intensity = measured ? 2.3 : 1.1;
    light.intensity = measured ? 0.9 : 2.2;
    get("legend").hidden = !measured;
    if (measured) {
      get("low").textContent = number(mode.low, 3);
      get("high").textContent = number(mode.high, 3) + (mode.unit ? " " + mode.unit : "");
      const ramp = get("ramp").getContext("2d");
      colors256(mode).forEach((rgb, index) => {
        ramp.fillStyle = `rgb(${rgb})`;
        ramp.fillRect(index, 0, 1, 1);
      });
      get("what").textContent = mode.name + "; colours end at the 99th percentile";
    }
    draw();
  }
  const number = (value, digits) => {
    const size = Math.abs(value);
    return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(digits - 1) : String(+value.toPrecision(digits));
  };

  // The box of mesh and scan, with the world coordinates of its low corner and of the ends of the edges there.
  const top = corner.map((low) => -low);
  const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => [0, 1, 2].map((axis) => ((bits >> axis) & 1 ? top : corner)[axis]));
  const edges = [];
  corners.forEach((from, bits) => {
    for (let axis = 0; axis < 3; axis++) if (!((bits >> axis) & 1)) edges.push(...from, ...corners[bits | (1 << axis)]);
  });
  const lines = new THREE.BufferGeometry();
  lines.setAttribute("position", new THREE.BufferAttribute(new Float32Array(edges), 3));
  const box = new THREE.LineSegments(lines, new THREE.LineBasicMaterial({ color: "#b8b8b8" }));
  scene.add(box);
  const decimals = Math.max(0, 3 - Math.floor(Math.log10(2 * half)));
  const world = (value) => (decimals < 10 ? value.toFixed(decimals) : number(value, 4));
  const marks = [[data.low.map(world).join(", "), corners[0]]];
  for (let axis = 0; axis < 3; axis++) marks.push(["xyz"[axis] + " " + world(data.high[axis]), corners[1 << axis]]);
  const labels = marks.map(([text, place]) => {
    const label = document.createElement("span");
    label.className = "mark";
    label.textContent = text;
    get("view").append(label);
    return { label, place: new THREE.Vector3(...place) };
  });

  // Seen first as in the pictures, from so far that the whole box just fits.
  const AXES = ["+x", "+y", "+z", "-x", "-y", "-z"];
  const vectors = AXES.map((name) => {
    const vector = [0, 0, 0];
    vector["xyz".indexOf(name[1])] = name[0] === "+" ? 1 : -1;
    return vector;
  });
  AXES.forEach((name, index) => get("up").add(new Option(name, index)));
  const firstUp = vectors.findIndex((vector) => vector.every((part, axis) => part === Math.sign(data.up[axis])));
  function fitting(direction, up) {
    const right = new THREE.Vector3().crossVectors(up, direction).normalize();
    const upward = new THREE.Vector3().crossVectors(direction, right);
    const tangent = 0.92 * Math.tan((camera.fov * Math.PI) / 360); // 8 % stay free
    return Math.max(
      ...corners.map((place) => {
        const at = new THREE.Vector3(...place);
        const across = Math.max(Math.abs(at.dot(right)) / camera.aspect, Math.abs(at.dot(upward)));
        return at.dot(direction) + across / tangent;
      }),
    );
  }
  let controls = null;
  function reset() {
    const chosen = Number(get("up").value), up = vectors[chosen];
    const aside = (place) => 0.45 * up[place] + (place === (chosen + 1) % 3 ? 1 : place === (chosen + 2) % 3 ? 0.5 : 0);
    const toward = chosen === firstUp ? data.direction : [0, 1, 2].map(aside);
    const direction = new THREE.Vector3(...toward).normalize();
    camera.up.set(...up);
    camera.position.copy(direction.multiplyScalar(fitting(direction, camera.up)));
    if (controls) controls.dispose();
    controls = new THREE.OrbitControls(camera, get("canvas"));
    controls.minDistance = 0.02;
    controls.maxDistance = 50;
    controls.addEventListener("change", draw);
    controls.update();
    draw();
  }

  let waiting = false;
  function draw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      const away = camera.position.length();
      camera.near = Math.max(1e-3, away - 3);
      camera.far = away + 3;
      camera.updateProjectionMatrix();
      renderer.render(scene, camera);
      const { clientWidth: width, clientHeight: height } = get("view");
      for (const { label, place } of labels) {
        const at = place.clone().project(camera);
        label.hidden = !box.visible || at.z > 1;
        label.style.transform = `translate(${((at.x + 1) / 2) * width}px, ${((1 - at.y) / 2) * height}px)`;
      }
    });
  }
  function resize() {
    const { clientWidth: width, clientHeight: height } = get("view");
    renderer.setSize(width, height, false);
    camera.aspect = width / height;
    draw();
  }
  function show() {
    if (front) {
      front.visible = back.visible = get("mesh").checked;
      front.material.wireframe = back.material.wireframe = get("wire").checked;
    }
    cloud.visible = get("cloud").checked;
    cloud.material.size = Number(get("size").value) * renderer.getPixelRatio();
    box.visible = get("box").checked;
    draw();
  }

  if (!front) {
    get("of-mesh").hidden = get("of-wire").hidden = true;
    get("cloud").checked = true;
  }
  get("unit").textContent = data.unit ? "in " + data.unit : "in the file's unit";
  for (const id of ["mesh", "cloud", "wire", "box", "size"]) get(id).addEventListener("input", show);
  get("color").addEventListener("input", recolor);
  get("up").value = firstUp;
  get("up").addEventListener("input", reset);
  get("reset").addEventListener("click", reset);
  new ResizeObserver(resize).observe(get("view"));
  resize();
  reset();
  recolor();
  show();
})();
