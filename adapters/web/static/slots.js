// A browser gives one site six connections. Answers under way take at most four of them, first come first served,
// and held ones share what is left, so that the pool's feed and the Stop button always get through.

const MOST = 4;
let live = 0;
const waiting = [];
const patient = new Set();

/** Resolves to what gives the slot back. */
export async function take() {
  if (live >= MOST) await new Promise((resolve) => waiting.push(resolve));
  else live += 1;
  if (live + patient.size > MOST) patient.values().next().value?.abort();
  return () => {
    const next = waiting.shift();
    if (next) next(); // it takes over this slot
    else live -= 1;
  };
}

/** For a held answer: an AbortController that a live answer may use, or null when there is no room. */
export function takePatiently() {
  if (live + patient.size >= MOST) return null;
  const slot = new AbortController();
  patient.add(slot);
  slot.signal.addEventListener("abort", () => patient.delete(slot));
  return slot;
}
