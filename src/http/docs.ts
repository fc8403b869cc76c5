interface Operation {
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly {
    readonly name?: string;
    readonly in?: string;
    readonly required?: boolean;
    readonly description?: string;
  }[];
}

/** The part of an OpenAPI document that the page of routes shows. */
export interface ApiDocument {
  readonly info?: { readonly title: string; readonly description?: string };
  readonly paths?: Readonly<Record<string, unknown>>;
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => escapes[character] ?? '');
}

/** A plain page that lists every documented route; the machine-readable form is `/docs/json`. */
export function renderDocs(document: ApiDocument): string {
  const routes = Object.entries(document.paths ?? {}).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Operation>).map(([method, operation]) => ({
      path,
      method,
      operation,
    })),
  );
  const tags = [...new Set(routes.map((route) => route.operation.tags?.[0] ?? 'other'))];
  const sections = tags.map((tag) => {
    const items = routes
      .filter((route) => (route.operation.tags?.[0] ?? 'other') === tag)
      .map(({ path, method, operation }) => renderRoute(path, method, operation));
    return `<section class="panel"><h2>${escapeHtml(tag)}</h2><dl class="routes">${items.join('')}</dl></section>`;
  });
  const title = escapeHtml(document.info?.title ?? 'API');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/page.css">
</head>
<body>
<main class="sheet docs">
<p class="crumb"><a href="/">Status</a></p>
<h1>${title}</h1>
<p class="lede">${escapeHtml(document.info?.description ?? '')} <a href="/docs/json">OpenAPI as JSON</a></p>
${sections.join('\n')}
</main>
</body>
</html>
`;
}

function renderRoute(path: string, method: string, operation: Operation): string {
  const address = `<code>${method.toUpperCase()} ${escapeHtml(path)}</code>`;
  // A path with a parameter in it cannot be followed as it stands.
  const link =
    method === 'get' && !path.includes('{') ? `<a href="${escapeHtml(path)}">${address}</a>` : address;
  const parameters = (operation.parameters ?? []).map((p) => {
    const note = [p.required === true ? 'required' : '', p.description ?? '']
      .filter((x) => x !== '')
      .join(', ');
    return `<li><code>${escapeHtml(p.name ?? '')}</code>${note === '' ? '' : ` ${escapeHtml(note)}`}</li>`;
  });
  const list = parameters.length === 0 ? '' : `<ul>${parameters.join('')}</ul>`;
  return `<dt>${link}</dt><dd>${escapeHtml(operation.summary ?? '')}${list}</dd>`;
}
