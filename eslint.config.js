import js from "@eslint/js";

const markup = "Text is set as text, never as markup.";

export default [
  { ignores: [".venv/", "site/", "demo/", "runs/"] },
  js.configs.recommended,
  {
    files: ["examples/*.mjs"],
    languageOptions: { globals: { console: "readonly", process: "readonly", WebSocket: "readonly" } },
  },
  {
    files: ["src/mmerc/*/page/*.js", "src/mmerc/*/report/*.js"],
    rules: {
      "no-undef": "off", // the type checker knows every name
      "no-var": "error",
      "prefer-const": "error",
      "no-shadow": "error",
      eqeqeq: "error",
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: markup },
        { property: "outerHTML", message: markup },
        { property: "insertAdjacentHTML", message: markup },
      ],
    },
  },
];
