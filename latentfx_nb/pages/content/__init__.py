"""What pages show, free of widgets: a page's `Choice`, its `Shown`, how the one becomes the other, words and code.

A module a page. All of it runs without a notebook: `prepare(choice, clips, None, Progress())`.
"""
