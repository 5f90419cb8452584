/** The frame of every page. */
import type { Child } from "hono/jsx";

export interface LayoutProps {
  readonly title: string;
  /** Where the reader stands, outermost first; the page itself is not among them. */
  readonly trail?: readonly { readonly href: string; readonly text: string }[];
  /** The same content as JSON. */
  readonly json?: string;
  readonly children?: Child;
}

/** Title, trail, content; the style sheet and the icon are the only things it makes a browser fetch. */
export function Layout({ title, trail = [], json, children }: LayoutProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{title}</title>
        <link rel="stylesheet" href="/static/style.css" />
        <link rel="icon" type="image/svg+xml" href="/static/icon.svg" />
      </head>
      <body>
        <a class="skip" href="#main">Skip to content</a>
        <header class="top">
          <nav aria-label="Where you are">
            <a class="mark" href="/">
              <svg viewBox="0 0 16 16" aria-hidden="true">
                <path d="M8 0v8" />
                <path class="bob" d="M8 7l3 3.5L8 16l-3-5.5z" />
              </svg>
              Plumbline
            </a>
            {trail.map(({ href, text }) => (
              <span>
                <span class="slash" aria-hidden="true">/</span>
                <a href={href}>{text}</a>
              </span>
            ))}
          </nav>
          {json && <a class="json" href={json}>JSON</a>}
        </header>
        <main id="main">{children}</main>
      </body>
    </html>
  );
}
