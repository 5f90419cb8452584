/** A page that says one thing: not found, refused, or broken. */
import { Layout } from "./layout.tsx";

export interface MessagePageProps {
  readonly title: string;
  readonly text: string;
}

/** The title, the sentence, and the way back. */
export function MessagePage({ title, text }: MessagePageProps) {
  return (
    <Layout title={`${title} · Plumbline`}>
      <h1>{title}</h1>
      <p class="message">{text}</p>
      <p>
        <a href="/">All runs</a>
      </p>
    </Layout>
  );
}
