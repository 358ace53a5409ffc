// The form that plans a session: the reader's local time goes to the server with its zone.

const form = document.getElementById("plan");
const when = document.getElementById("when");
const button = document.getElementById("plan-button");

function local(moment) {
  const shifted = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

function say() {
  button.textContent = when.value ? "Plan it" : "Open the waiting room now";
}

if (form) {
  when.min = local(new Date());
  document.getElementById("zone").textContent = `(${Intl.DateTimeFormat().resolvedOptions().timeZone})`;
  when.addEventListener("input", say);
  form.addEventListener("submit", () => {
    document.getElementById("scheduled-at").value = when.value ? new Date(when.value).toISOString() : "";
  });
  say();
}
