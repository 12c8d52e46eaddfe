# A program's own token, without a person: what is it worth?
TOKEN=$(curl -s -u __MACHINE__:__SECRET__ -d grant_type=client_credentials \
  -d scope=open-data.read __ISSUER__/oidc/token | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -s -u __MACHINE__:__SECRET__ -d "token=$TOKEN" __ISSUER__/oidc/introspect
