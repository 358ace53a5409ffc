// The wait before the n-th new try, in ms: 0.5, 1, 2, 4, 5, 5 ... s, each +-50 % so that a class does not come at once,
// and never above 5 s.

const BACKOFF_MS = [500, 1000, 2000, 4000, 5000];
const LONGEST_MS = 5000;

export function backoff(tries, random = Math.random()) {
  const middle = BACKOFF_MS[Math.min(tries, BACKOFF_MS.length - 1)];
  const shortest = middle * 0.5;
  const longest = Math.min(middle * 1.5, LONGEST_MS);
  return shortest + random * (longest - shortest);
}
