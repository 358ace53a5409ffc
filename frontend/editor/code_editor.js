// The code area: CodeMirror set up for Python beginners, with one line that can be marked as the place of an error.

import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { Annotation, Compartment, EditorState, StateEffect, StateField, Transaction } from "@codemirror/state";
import { Decoration, drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap,
  lineNumbers, placeholder } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";

const loaded = Annotation.define();
const markLine = StateEffect.define();
const errorLine = Decoration.line({ class: "cm-error-line" });

const errorMark = StateField.define({
  create: () => Decoration.none,
  update(marks, transaction) {
    for (const effect of transaction.effects) {
      if (effect.is(markLine)) return effect.value === null ? Decoration.none : Decoration.set([errorLine.range(effect.value)]);
    }
    return marks.map(transaction.changes);
  },
  provide: (field) => EditorView.decorations.from(field),
});

// All colours are the page's own custom properties, so light and dark need no second theme.
const theme = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--surface)", fontSize: "var(--code-size)" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--text)", padding: "var(--space-2) 0" },
  ".cm-cursor": { borderLeftColor: "var(--text)", borderLeftWidth: "2px" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--muted)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--accent) 7%, transparent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--accent) 28%, transparent)",
  },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "transparent", outline: "1px solid var(--muted)" },
  "&.cm-focused .cm-nonmatchingBracket": { backgroundColor: "transparent", outline: "1px solid var(--bad)" },
  ".cm-placeholder": { color: "var(--muted)" },
  ".cm-tooltip": { backgroundColor: "var(--surface-2)", color: "var(--text)", border: "1px solid var(--line)" },
});

// `onRun`, `onChange`, `onPaste(characterCount)`: what the page wants to hear. `label`, `help`: for screen readers.
export function createCodeEditor({ parent, label, help, onRun, onChange, onPaste }) {
  const writable = new Compartment();
  const run = () => {
    onRun();
    return true;
  };
  const view = new EditorView({
    parent,
    state: EditorState.create({
      extensions: [
        keymap.of([{ key: "Mod-Enter", run, preventDefault: true }]),
        lineNumbers(),
        lintGutter(),
        history(),
        drawSelection(),
        indentUnit.of("    "),
        EditorState.tabSize.of(4),
        indentOnInput(),
        bracketMatching(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        python(),
        syntaxHighlighting(classHighlighter),
        // Tab indents; Escape and then Tab leaves the editor, as CodeMirror does by itself.
        keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]),
        placeholder("Write your Python here"),
        errorMark,
        theme,
        writable.of(EditorState.readOnly.of(true)),
        EditorView.contentAttributes.of({ "aria-label": label, "aria-describedby": help, tabindex: "0", autocapitalize: "off",
          autocorrect: "off", spellcheck: "false" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged && !update.transactions.some((one) => one.annotation(loaded))) onChange();
        }),
        EditorView.domEventHandlers({
          paste(event) {
            onPaste(event.clipboardData?.getData("text/plain").length ?? 0);
            return false;
          },
        }),
      ],
    }),
  });

  function setCode(code) {
    view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: code } });
  }

  // The code as loaded: no change of the student's, and nothing that undo could take away.
  function load(code) {
    view.dispatch({
      changes: { from: 0, to: view.state.doc.length, insert: code },
      annotations: [loaded.of(true), Transaction.addToHistory.of(false)],
      effects: writable.reconfigure(EditorState.readOnly.of(false)),
    });
  }

  function markError(number, message) {
    const line = view.state.doc.line(Math.min(Math.max(number, 1), view.state.doc.lines));
    const start = line.from + line.text.length - line.text.trimStart().length;
    const diagnostic = { from: Math.min(start, line.to), to: line.to, severity: "error", message };
    view.dispatch(setDiagnostics(view.state, [diagnostic]));
    view.dispatch({ effects: [markLine.of(line.from), EditorView.scrollIntoView(line.from, { y: "center" })] });
  }

  function clearError() {
    view.dispatch(setDiagnostics(view.state, []));
    view.dispatch({ effects: markLine.of(null) });
  }

  return {
    load,
    setCode,
    markError,
    clearError,
    goToLine(number) {
      const line = view.state.doc.line(Math.min(number, view.state.doc.lines));
      view.dispatch({ selection: { anchor: line.from }, scrollIntoView: true });
      view.focus();
    },
    code: () => view.state.doc.toString(),
    focus: () => view.focus(),
    measure: () => view.requestMeasure(),
  };
}
