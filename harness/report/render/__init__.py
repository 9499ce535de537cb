"""From a document to HTML, Markdown, LaTeX and the terminal."""
