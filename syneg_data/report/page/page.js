"use strict";
// The browser of examples. Every text reaches the page through textContent, never as markup.
(() => {
  const PAGE = 12;
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const FATES = {
    used: "used", relabelled: "relabelled as positive", not_selected: "kept, not used", ambiguous: "ambiguous",
    too_easy: "too easy", false_negative: "false negative", duplicate: "duplicate", failed: "no score",
  };
  const REASONS = {
    not_selected: "mixing took others", near_threshold: "just below the threshold",
    above_threshold: "above the threshold: it may answer the query", within_random: "no nearer than random documents",
    positive: "it is a positive of this query", text_of_positive: "it has a positive's text",
    near_duplicate_of_positive: "nearly a positive's text", no_text: "it has no text",
    text_of_document: "its text is in the corpus", text_of_synthetic: "another draft says the same",
    score_not_finite: "a reranker gave no number", less_relevant: "less relevant than a positive has to be",
    llm_relevant: "the language model called it relevant",
  };
  const state = { words: [], source: "", verdict: "", strategy: "", page: 0, query: null, open: new Set() };
  const byId = new Map(data.queries.map((query) => [query.id, query]));
  let matching = data.queries;

  // ---- small makers of elements
  const make = (name, css, ...children) => {
    const element = document.createElement(name);
    if (css) element.className = css;
    for (const child of children) if (child !== null && child !== undefined) element.append(child);
    return element;
  };
  const drawn = (name, css, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    if (css) element.setAttribute("class", css);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    element.append(...children);
    return element;
  };
  // Text from outside: in a direction of its own, with the words that are searched for marked.
  const text = (name, css, words) => {
    const element = make(name, css);
    element.dir = "auto";
    const whole = String(words), low = whole.toLowerCase();
    let from = 0;
    while (state.words.length && low.length === whole.length) {
      let next = -1, length = 0;
      for (const word of state.words) {
        const found = low.indexOf(word, from);
        if (found >= 0 && (next < 0 || found < next || (found === next && word.length > length))) {
          next = found;
          length = word.length;
        }
      }
      if (next < 0) break;
      element.append(whole.slice(from, next), make("mark", "", whole.slice(next, next + length)));
      from = next + length;
    }
    element.append(whole.slice(from));
    return element;
  };
  const figure = (value) => (value === null || value === undefined ? "-" : value.toFixed(3));

  // ---- what can be asked of a query
  const verdictOf = (row) => row.fate || `draft ${row.state}`;
  const nameOf = (verdict) => FATES[verdict] || verdict;
  const everything = (query) => [...query.candidates, ...query.drafts];
  const filtered = () => Boolean(state.source || state.verdict || state.strategy);
  const passes = (row) =>
    (!state.source || row.source === state.source) &&
    (!state.verdict || verdictOf(row) === state.verdict) &&
    (!state.strategy || row.strategy === state.strategy);
  const haystacks = new Map();
  const haystack = (query) => {
    if (!haystacks.has(query.id)) {
      const parts = [query.id, query.text];
      for (const row of query.positives) parts.push(row.id, (data.texts[row.id] || [""])[0]);
      for (const row of query.candidates) {
        parts.push(row.id, (data.texts[row.id] || [""])[0]);
        for (const note of row.notes || []) parts.push(note[1]);
      }
      for (const row of query.drafts) parts.push(row.reply[0]);
      haystacks.set(query.id, parts.join("\n").toLowerCase());
    }
    return haystacks.get(query.id);
  };

  // ---- filters
  const options = (element, label, values, name = (value) => value) => {
    element.replaceChildren();
    for (const value of ["", ...values]) {
      const option = make("option", "", value === "" ? label : name(value));
      option.value = value;
      element.append(option);
    }
  };
  const values = (of) => [...new Set(data.queries.flatMap((query) => everything(query).map(of)).filter(Boolean))].sort();
  const order = Object.keys(FATES);
  const place = (verdict) => (order.indexOf(verdict) + 100) % 100;
  options(at("source"), "any source", values((row) => row.source));
  options(at("verdict"), "any verdict", values(verdictOf).sort((a, b) => place(a) - place(b)), nameOf);
  options(at("strategy"), "any strategy", values((row) => row.strategy));

  const find = () => {
    state.words = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const name of ["source", "verdict", "strategy"]) state[name] = at(name).value;
    matching = data.queries.filter(
      (query) =>
        state.words.every((word) => haystack(query).includes(word)) && (!filtered() || everything(query).some(passes)),
    );
    const open = matching.findIndex((query) => query.id === state.query);
    state.page = open < 0 ? 0 : Math.floor(open / PAGE);
    listAll();
    if (open < 0) show(matching.length ? matching[0].id : null, true);
    else showQuery();
  };

  // ---- the list
  const strip = (query) => {
    const dots = make("span", "dots");
    for (const fate of order) {
      const count = query.candidates.filter((row) => row.fate === fate).length;
      if (count) {
        const dot = make("span", `dot-count f-${fate}`, String(count));
        dot.title = `${count} ${FATES[fate]}`;
        dots.append(dot);
      }
    }
    return dots;
  };
  const listAll = () => {
    const pages = Math.max(1, Math.ceil(matching.length / PAGE));
    state.page = Math.min(Math.max(state.page, 0), pages - 1);
    at("count").textContent = `${matching.length} of ${data.queries.length} queries`;
    at("place").textContent = `${state.page + 1} / ${pages}`;
    at("before").disabled = state.page === 0;
    at("after").disabled = state.page === pages - 1;
    at("list").replaceChildren(
      ...matching.slice(state.page * PAGE, (state.page + 1) * PAGE).map((query) => {
        const link = make("a", "", text("span", "words", query.text), strip(query));
        link.href = `#query=${encodeURIComponent(query.id)}`;
        if (query.id === state.query) link.setAttribute("aria-current", "true");
        return make("li", "", link);
      }),
    );
  };

  // ---- one query
  const chip = (css, words) => text("span", `chip ${css}`, words);
  const meter = (row) => {
    if (row.relevance === null || row.relevance === undefined) return null;
    const values = [row.relevance, row.reference, row.threshold].filter((v) => v !== null && v !== undefined);
    const low = Math.min(0, ...values), high = Math.max(1, ...values);
    const x = (value) => (2 + ((value - low) / (high - low)) * 196).toFixed(1);
    const parts = [
      drawn("rect", "rail", { x: 2, y: 6, width: 196, height: 6, rx: 3 }),
      drawn("rect", `f-${row.fate}`, { x: x(low), y: 6, width: Math.max(1, x(row.relevance) - x(low)), height: 6, rx: 3 }),
    ];
    if (row.threshold !== null && row.threshold !== undefined)
      parts.push(drawn("line", "threshold", { x1: x(row.threshold), x2: x(row.threshold), y1: 1, y2: 17 }));
    if (row.reference !== null && row.reference !== undefined)
      parts.push(drawn("circle", "f-positive", { cx: x(row.reference), cy: 9, r: 4 }));
    const threshold = row.threshold === null || row.threshold === undefined ? "" : `, threshold ${figure(row.threshold)}`;
    const label = `relevance ${figure(row.relevance)}, of the positive ${figure(row.reference)}${threshold}`;
    const svg = drawn("svg", "meter", { viewBox: "0 0 200 18", role: "img", "aria-label": label }, ...parts);
    return make("div", "metered", svg, make("span", "soft", label));
  };
  const rawOf = (raw) => {
    const said = Object.entries(raw || {});
    if (!said.length) return [];
    const scores = said.map(([name, [score]]) => `${name} ${score === null ? "-" : score}`).join(" · ");
    const words = said.filter(([, [, why]]) => why).map(([name, [, why]]) => text("p", "note", `${name}: ${why}`));
    return [text("p", "soft small", `rerankers: ${scores}`), ...words];
  };
  const passage = (key, entry) => {
    if (!entry) return make("p", "soft", "its text is not in this folder");
    const [words, length] = entry;
    const box = text("p", "passage", words);
    if (words.length < 420) return length > words.length ? make("div", "", box, rest(length)) : box;
    const button = make("button", "", "");
    button.type = "button";
    const set = () => {
      const open = state.open.has(key);
      box.classList.toggle("folded", !open);
      button.textContent = open ? "less" : "more";
      button.setAttribute("aria-expanded", String(open));
      more.hidden = !open || length <= words.length;
    };
    const more = rest(length);
    button.addEventListener("click", () => {
      if (!state.open.delete(key)) state.open.add(key);
      set();
    });
    set();
    return make("div", "", box, more, button);
  };
  const rest = (length) => make("p", "soft small", `cut here; the whole text has ${length.toLocaleString("en")} characters`);
  const folded = (summary, ...children) => make("details", "", make("summary", "", summary), ...children);

  const birth = (row) => {
    const parts = [];
    if (row.attributes && row.attributes.length) {
      const list = make("p", "asked-for");
      for (const [axis, value] of row.attributes) list.append(chip("plain", `${axis}: ${value}`), " ");
      parts.push(list);
    }
    if (row.notes && row.notes.length)
      parts.push(
        folded("reflection", ...row.notes.map(([name, note]) => make("p", "note", make("b", "", `${name}: `), text("span", "", note)))),
      );
    if (row.critic && row.critic.length) parts.push(folded("what the critic said", ...row.critic.map((said) => text("p", "note", said))));
    return parts;
  };
  const hits = (row) =>
    row.origin === "mined"
      ? row.hits.map(([source, rank, score]) => `${source} #${rank}${score === null ? "" : ` (${score})`}`).join(", ")
      : `${row.strategy}, draft ${row.hits[0][1]}${row.attempts > 1 ? `, attempt ${row.attempts}` : ""}${row.round ? `, revised ${row.round}×` : ""}`;
  const card = (row, source) => {
    const why = row.reason ? REASONS[row.reason] || row.reason : "";
    const head = make(
      "header", "",
      chip(`f-${row.fate}`, nameOf(row.fate)), " ", chip(`o-${row.origin}`, source || row.source), " ",
      text("span", "soft", hits(row)), text("code", "id", row.id),
    );
    return make(
      "div", `card edge-${row.fate}`, head, why ? text("p", "why", `${why}${row.reason && REASONS[row.reason] ? ` (${row.reason})` : ""}`) : null,
      meter(row), passage(`${state.query} ${row.id}`, data.texts[row.id]), ...birth(row), ...rawOf(row.raw),
    );
  };
  const positiveCard = (id, query) => {
    const known = query.positives.find((row) => row.id === id), found = query.candidates.find((row) => row.id === id);
    const head = make(
      "header", "", chip("f-positive", "positive"), " ",
      known ? make("span", "soft", `judged ${known.grade}`) : make("span", "soft", "not of the source"),
      found ? text("span", "soft", `found by ${hits(found)}`) : null, text("code", "id", id),
    );
    return make("div", "card edge-positive", head, passage(`${query.id} ${id}`, data.texts[id]), ...(found ? birth(found) : []), ...rawOf(known && known.raw));
  };
  const lostCard = (row) =>
    make(
      "div", "card edge-failed",
      make("header", "", chip("f-failed", `draft ${row.state}`), " ", chip("o-synthetic", row.source), " ",
        make("span", "soft", `draft ${row.slot + 1}${row.attempts > 1 ? `, ${row.attempts} attempts` : ""}`)),
      ...birth(row),
      row.reply[0] ? passage(`${state.query} draft ${row.positive} ${row.strategy} ${row.slot}`, row.reply) : make("p", "soft", "no reply"),
    );

  const group = (title, cards, hidden) =>
    cards.length || hidden
      ? [make("h4", "", title), ...cards, hidden ? make("p", "soft", `${hidden} more that the filter hides`) : null]
      : [];
  const showQuery = () => {
    const query = byId.get(state.query), box = at("query");
    if (!query) {
      const words = state.query === null
        ? "No query matches. Clear the filters to see all."
        : `Query ${state.query} is not on this page, which holds ${data.queries.length} of ${data.of}. “syneg-data explain” tells its story.`;
      box.replaceChildren(text("p", "note", words));
      return;
    }
    const position = matching.indexOf(query), rows = new Map(query.candidates.map((row) => [row.id, row])), taken = new Set();
    const step = (label, by) => {
      const button = make("button", "", label);
      button.type = "button";
      button.disabled = !matching[position + by];
      button.addEventListener("click", () => go(by));
      return button;
    };
    const parts = [
      make("div", "steps", step("‹", -1), make("span", "soft", `${position + 1} of ${matching.length}`), step("›", 1), text("code", "id", query.id)),
      text("h3", "asked", query.text),
    ];
    query.examples.forEach((example, number) => {
      taken.add(example.positive);
      const all = example.negatives.map((id, i) => [rows.get(id), example.sources[i]]).filter(([row]) => row);
      for (const [row] of all) taken.add(row.id);
      const seen = all.filter(([row]) => passes(row));
      const title = query.examples.length > 1 ? `Example ${number + 1} of ${query.examples.length}` : "The training example";
      parts.push(...group(title, [positiveCard(example.positive, query), ...seen.map(([row, source]) => card(row, source))], all.length - seen.length));
    });
    const others = query.positives.filter((row) => !taken.has(row.id)).map((row) => positiveCard(row.id, query));
    const without = query.examples.length ? "Positives without an example" : "Positives; no example came of them, there were too few negatives";
    parts.push(...group(without, others, 0));
    for (const fate of order) {
      const all = query.candidates.filter((row) => row.fate === fate && !taken.has(row.id)), seen = all.filter(passes);
      if (!all.length) continue;
      const section = folded(`${FATES[fate]}: ${all.length}`, ...seen.map((row) => card(row)));
      if (seen.length < all.length) section.append(make("p", "soft", `${all.length - seen.length} more that the filter hides`));
      section.open = filtered() && seen.length > 0;
      section.classList.add("fate");
      parts.push(section);
    }
    if (query.drafts.length) {
      const seen = query.drafts.filter(passes);
      const section = folded(`drafts that came to nothing: ${query.drafts.length}`, ...seen.map(lostCard));
      if (seen.length < query.drafts.length) section.append(make("p", "soft", `${query.drafts.length - seen.length} more that the filter hides`));
      section.open = filtered() && seen.length > 0;
      section.classList.add("fate");
      parts.push(section);
    }
    if (query.left_out) parts.push(make("p", "soft", `${query.left_out} candidates of this query are not on this page, which would be too large; they are in “candidates”.`));
    box.replaceChildren(...parts.filter(Boolean));
  };

  // ---- moving about
  const show = (id, quietly) => {
    state.query = id;
    const position = matching.findIndex((query) => query.id === id);
    if (position >= 0) state.page = Math.floor(position / PAGE);
    listAll();
    showQuery();
    if (!quietly && id !== null) history.replaceState(null, "", `#query=${encodeURIComponent(id)}`);
  };
  const go = (by) => {
    const position = matching.findIndex((query) => query.id === state.query);
    const next = matching[position < 0 ? 0 : position + by];
    if (next) show(next.id);
  };
  const asked = () => {
    if (!location.hash.startsWith("#query=")) return null;
    try {
      return decodeURIComponent(location.hash.slice(7));
    } catch {
      return null;
    }
  };
  const follow = () => {
    const id = asked();
    if (id === null) return;
    if (byId.has(id) && !matching.some((query) => query.id === id)) clear();
    show(id, true);
    at(matchMedia("(max-width: 760px)").matches ? "query" : "examples").scrollIntoView();
  };
  const clear = () => {
    at("search").value = "";
    for (const name of ["source", "verdict", "strategy"]) at(name).value = "";
    find();
  };
  let waiting = 0;
  at("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(find, 120);
  });
  for (const name of ["source", "verdict", "strategy"]) at(name).addEventListener("change", find);
  at("clear").addEventListener("click", clear);
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const [name, by] of [["before", -1], ["after", 1]])
    at(name).addEventListener("click", () => {
      state.page += by;
      listAll();
    });
  addEventListener("hashchange", follow);
  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.nodeName);
    if (event.altKey || event.ctrlKey || event.metaKey || typing) return;
    if (event.key === "ArrowRight") go(1);
    else if (event.key === "ArrowLeft") go(-1);
    else if (event.key === "/") at("search").focus();
    else return;
    event.preventDefault();
  });
  at("filters").hidden = at("browser").hidden = false;
  find();
  follow();
})();
