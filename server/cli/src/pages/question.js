// The page's one dialog: it asks for a word, a name or a room, and shows why one was refused.

const $ = (id) => document.getElementById(id);

/** Asks for a word; `answer(word)` resolves to an error to show, or to nothing when it is done. */
export function question({ title, text, label, value, ok, answer }) {
  $("ask-title").textContent = title;
  $("ask-text").textContent = text;
  $("ask-label").textContent = label;
  $("ask-value").value = value;
  $("ask-error").textContent = "";
  $("ask-ok").textContent = ok;
  $("ask-form").onsubmit = async (event) => {
    event.preventDefault();
    const error = await answer($("ask-value").value);
    $("ask-error").textContent = error ?? "";
    if (error) return $("ask-value").select();
    $("ask").close();
    $("text").focus();
  };
  $("ask").showModal();
  $("ask-value").select();
}

$("ask-cancel").onclick = () => $("ask").close();
