// A certified OpenID provider (`oidc-provider` of npm) on the loopback interface: `node server.mjs FOLDER`, where FOLDER has
// its node_modules. Whoever comes is Ada, who says yes to everything.
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [folder] = process.argv.slice(2)
const resolved = createRequire(`${folder}/`).resolve('oidc-provider')
const { default: Provider } = await import(pathToFileURL(resolved))

// Its name has the port, so the port comes first.
const server = createServer()
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const issuer = `http://127.0.0.1:${server.address().port}`
const grants = [
  'authorization_code', 'refresh_token', 'client_credentials', 'urn:ietf:params:oauth:grant-type:device_code',
]
const client = (id, method, more) => ({
  client_id: id,
  client_secret: 'the client secret: swordfish, at least 32 bytes',
  grant_types: grants,
  redirect_uris: ['http://127.0.0.1:1/oauth/acme/callback'],
  response_types: ['code'],
  token_endpoint_auth_method: method,
  ...more,
})
const jwk = (kind, options, more) => ({
  ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }), use: 'sig', ...more,
})
const keyed = JSON.parse(process.env.CLIENT_JWKS)
const provider = new Provider(issuer, {
  clients: [
    client('basic', 'client_secret_basic'),
    client('post', 'client_secret_post', { id_token_signed_response_alg: 'ES256' }),
    client('signed', 'private_key_jwt', { jwks: keyed, client_secret: undefined }),
  ],
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: true,
  cookies: { keys: ['a key for cookies of this test'] },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256'] },
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: false },
    revocation: { enabled: true },
  },
  issueRefreshToken: async () => true,
  jwks: {
    keys: [
      jwk('rsa', { modulusLength: 2048 }, { kid: 'one', alg: 'RS256' }),
      jwk('ec', { namedCurve: 'P-256' }, { kid: 'two', alg: 'ES256' }),
    ],
  },
  pkce: { required: () => true },
  scopes: ['openid', 'profile', 'email', 'offline_access', 'api:read'],
  findAccount: async (_, id) => ({
    accountId: id,
    claims: async () => ({
      sub: id, name: 'Ada Lovelace', preferred_username: 'ada', email: 'ada@acme.dev', email_verified: true,
    }),
  }),
  // Every question is answered at once: who it is, and that the application may know.
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
})

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next()
  const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res)
  if (prompt.name === 'login') {
    return provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: 'ada' } })
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id })
  grant.addOIDCScope(params.scope)
  const grantId = await grant.save()
  return provider.interactionFinished(ctx.req, ctx.res, { consent: { grantId } }, { mergeWithLastSubmission: true })
})

server.on('request', provider.callback())
console.log(`listening at ${issuer}`)
