"""The one list of texts that are hostile to a terminal, a page, Markdown, LaTeX, a spreadsheet, a path or a reader."""

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></svg><iframe src=//evil.example>",
    "\x1b]0;owned\x07\x1b[2J\r\x9b31m",
    "\u202egnp.exe\u2066",
    "| a | b |\n---\n# head",
    "[x](javascript:alert(1)) ![y](http://evil.example/p.png) `z` *b* _i_",
    r"\input{/etc/passwd} $x^2$ % & # _ ~ { }",
    "$\\mathrm{boom$ $$",
    "=HYPERLINK(1)",
    "\ud800 half a pair",
    "名前 ﷽ é",
    "a" * 300,
    "../../../../tmp/escaped",
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "\t=1+1",
    "@SUM(1+1)",
    "${oc.env:HOME}{{7*7}}%s%n",
    "\u2028\u2029\x85\x00\x08",
)
