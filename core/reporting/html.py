"""How pages look that are files of their own."""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #16262b; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; line-height: 1.2; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #d5dfe2; }
.note { color: #5b6b70; }
.warning { background: #fdf3e1; border-left: 4px solid #e69f00; padding: .6rem 1rem; }
.row { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1.5rem; }
@media (max-width: 800px) { .row { grid-template-columns: minmax(0, 1fr); } }
.wide, pre { overflow-x: auto; }
pre { background: #f4f8f9; padding: 1rem; font-size: .85rem; }
table { border-collapse: collapse; }
td, th { padding: .25rem .8rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #e4eaec; }
td:first-child, th:first-child { text-align: left; padding-left: 0; }
"""
