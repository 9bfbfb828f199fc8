// Puts the page's address into its Open Graph tags. The build cannot know on which host the page will be; sites that show a picture
// beside a link want an absolute address of it.

/** `html` with an absolute address of the picture and of the page, if `url`, the folder of the page on its host, is given. */
export function withAddress(html: string, url: string | undefined): string {
  if (url === undefined || url === "") return html;
  if (!/^https?:\/\/[^"<>\s]+$/.test(url)) throw new Error(`LASTBIT_URL is "${url}", not an address that begins with https:// or http://`);
  const folder = url.endsWith("/") ? url : `${url}/`;
  const picture = /<meta property="og:image" content="[^"]*"( \/)?>/;
  if (!picture.test(html)) throw new Error("index.html has no tag og:image");
  return html.replace(picture, () => `<meta property="og:url" content="${folder}" />\n    <meta property="og:image" content="${folder}og.png" />`);
}
