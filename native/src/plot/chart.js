// Read-outs under the pointer and by arrow keys. Everything else on the page works without this script.
'use strict';
const superscript = (n) => String(n).replace(/./g, (c) => c === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[c]);
const show = (v) => {
  if (v === null) return 'not finite';
  if (v === 0) return '0';
  const [m, e] = v.toExponential(2).split('e').map(Number);
  if (Number.isInteger(v) && Math.abs(v) >= 1 && Math.abs(v) < 1e9) return v.toLocaleString('en');
  return e >= -3 && e < 5 ? v.toPrecision(3) : `${m.toFixed(2)} × 10${superscript(e)}`;
};
const clear = (figure) => {
  figure.querySelector('output').textContent = '';
  figure.querySelectorAll('.cursor').forEach((cursor) => { cursor.style.display = 'none'; });
};
const put = (plot, share) => {
  const cursor = plot.querySelector('.cursor');
  cursor.style.display = 'block';
  cursor.style.left = `${share * 100}%`;
};
const say = (hit, index, text) => {
  hit.setAttribute('aria-valuenow', index);
  hit.setAttribute('aria-valuetext', text);
};
// `read(plot, x, y)`, with x and y from 0 to 1, tells; `move(plot, by)` goes on to a neighbour.
const listen = (figure, read, move) => {
  figure.querySelectorAll('.plot').forEach((plot) => {
    const hit = plot.querySelector('.hit');
    hit.tabIndex = 0;
    hit.setAttribute('role', 'slider');
    hit.setAttribute('aria-valuenow', 0);
    hit.setAttribute('aria-label', `${figure.querySelector('figcaption b').textContent}: arrow keys read values`);
    const at = (event) => {
      const box = hit.getBoundingClientRect();
      read(plot, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    };
    hit.addEventListener('pointermove', at);
    hit.addEventListener('pointerdown', at);
    hit.addEventListener('pointerleave', () => clear(figure));
    hit.addEventListener('blur', () => clear(figure));
    hit.addEventListener('keydown', (event) => {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (by) { move(plot, by, hit); event.preventDefault(); }
    });
  });
};
const bound = (i, n) => Math.min(Math.max(Math.floor(i), 0), n - 1);
const write = (output, style, text) => {
  const part = document.createElement('b');
  part.className = style;
  part.textContent = text;
  output.append(part);
};
document.querySelectorAll('figure.chart').forEach((figure) => {
  const output = figure.querySelector('output');
  const script = figure.querySelector('script');
  if (figure.classList.contains('map')) {
    const plot = figure.querySelector('.plot');
    const steps = plot.dataset.steps.split(' ');
    const layers = plot.dataset.layers.split(' ');
    const paths = [...figure.querySelectorAll('path')];
    const cell = [0, 0];
    const tell = () => {
      const [column, row] = cell;
      const svg = figure.querySelector('svg');
      const point = svg.createSVGPoint();
      point.x = column + 0.5;
      point.y = row + 0.5;
      const path = paths.find((path) => path.isPointInFill(point));
      put(plot, (column + 0.5) / steps.length);
      output.textContent = `step ${Number(steps[column]).toLocaleString('en')}, ${layers[row]}: ${path ? path.dataset.v : 'not recorded'}`;
      return output.textContent;
    };
    const go = (column, row) => { cell[0] = bound(column, steps.length); cell[1] = bound(row, layers.length); return tell(); };
    listen(figure, (_, x, y) => go(x * steps.length, y * layers.length),
      (_, [dx, dy], hit) => {
        const text = go(cell[0] + dx, cell[1] + dy);
        say(hit, cell[0], text);
      });
    return;
  }
  if (figure.classList.contains('bit-chart')) {
    const { steps, copies } = JSON.parse(script.textContent);
    const nColumns = Number(figure.querySelector('.plot').dataset.columns);
    let column = 0;
    const go = (plot, to) => {
      column = bound(to, steps.length);
      put(plot, (column + 0.5) / nColumns);
      output.textContent = `step ${steps[column].toLocaleString('en')}`;
      copies.forEach(([name, style, values]) => write(output, style, `${name}: ${values[column]}`));
      return output.textContent;
    };
    listen(figure, (plot, x) => go(plot, x * nColumns), (plot, [by], hit) => {
      const text = go(plot, column + by);
      say(hit, column, text);
    });
    return;
  }
  const { of, x: steps, curves } = JSON.parse(script.textContent);
  const styles = curves.map((_, i) => figure.querySelector(`g[data-c="${i}"]`).getAttribute('class'));
  let index = -1;
  const tell = () => {
    output.textContent = `${of} ${show(steps[index])}`;
    curves.forEach(([name, values], i) => write(output, styles[i], `${name}: ${show(values[index])}`));
    figure.querySelectorAll('.plot').forEach((plot) => {
      const { low, high, log } = plot.dataset;
      const scale = log === 'true' ? Math.log : Number;
      const share = (scale(steps[index]) - scale(low)) / (scale(high) - scale(low));
      if (share >= 0 && share <= 1) put(plot, share); else plot.querySelector('.cursor').style.display = 'none';
    });
    return output.textContent;
  };
  listen(figure, (plot, x) => {
    const low = Number(plot.dataset.low);
    const high = Number(plot.dataset.high);
    const wanted = plot.dataset.log === 'true' ? low * (high / low) ** x : low + (high - low) * x;
    let nearest = 0;
    steps.forEach((step, i) => { if (Math.abs(step - wanted) < Math.abs(steps[nearest] - wanted)) nearest = i; });
    index = nearest;
    tell();
  }, (_, [by], hit) => {
    index = Math.min(Math.max(index + by, 0), steps.length - 1);
    say(hit, index, tell());
  });
  figure.querySelectorAll('.ends span[data-c]').forEach((label) => {
    const lit = (on) => {
      figure.classList.toggle('lit', on);
      figure.querySelectorAll(`g[data-c="${label.dataset.c}"]`).forEach((g) => g.classList.toggle('on', on));
    };
    label.addEventListener('pointerenter', () => lit(true));
    label.addEventListener('pointerleave', () => lit(false));
  });
});
