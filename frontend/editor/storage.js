// The browser's local storage, or nothing where it is switched off or full: callers learn it from the answer, never by
// an exception.

export function openStorage(area = tryArea()) {
  return {
    get available() { return area !== null; },
    get(key) {
      try {
        return JSON.parse(area?.getItem(key) ?? "null");
      } catch {
        return null;
      }
    },
    set(key, value) {
      try {
        area.setItem(key, JSON.stringify(value));
        return true;
      } catch {
        return false;
      }
    },
    remove(key) {
      try {
        area.removeItem(key);
      } catch { /* there is nothing to remove then */ }
    },
    has(key) {
      try {
        return area.getItem(key) !== null;
      } catch {
        return false;
      }
    },
    keys(prefix) {
      try {
        return Object.keys(area).filter((key) => key.startsWith(prefix)).sort();
      } catch {
        return [];
      }
    },
  };
}

function tryArea() {
  try {
    localStorage.setItem("blockpy:probe", "1");
    localStorage.removeItem("blockpy:probe");
    return localStorage;
  } catch {
    return null;
  }
}
