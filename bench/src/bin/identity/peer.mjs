import Provider from 'oidc-provider';
import { generateKeyPairSync } from 'node:crypto';
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'bench' };
const info = { scope: 'open-data.read', accessTokenFormat: 'jwt', accessTokenTTL: 600, jwt: { sign: { alg: 'ES256' } } };
const base = { client_secret: 'kenroku-demo-2026', id_token_signed_response_alg: 'ES256' };
const provider = new Provider(`http://127.0.0.1:${process.env.PORT}`, {
  jwks: { keys: [key] },
  cookies: { keys: ['bench'] },
  clients: [
    { ...base, client_id: 'demo-machine', grant_types: ['client_credentials'], response_types: [], redirect_uris: [] },
    {
      ...base, client_id: 'demo-web', redirect_uris: ['https://rp.example/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
    },
  ],
  pkce: { required: () => true },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  // Agreed to once and remembered, as there is a page for it in ours.
  loadExistingGrant: async (ctx) => {
    const { session, client } = ctx.oidc;
    const known = session.grantIdFor(client.clientId);
    if (known) return provider.Grant.find(known);
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid');
    await grant.save();
    return grant;
  },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx) => (ctx.oidc.params?.grant_type === 'client_credentials' ? 'urn:bench' : undefined),
      useGrantedResource: () => true,
      getResourceServerInfo: () => info,
    },
  },
});
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next();
  ctx.respond = false;
  await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: 'somebody' } });
});
provider.listen(Number(process.env.PORT), '127.0.0.1');
