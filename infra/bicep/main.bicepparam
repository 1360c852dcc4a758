// The environment's values; azd fills in the first two. docs/deploy.md tells what each is for.
using './main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'dev')
param operatorPrincipalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param network = readEnvironmentVariable('IMPASTO_NETWORK', 'serviceEndpoints')
param uploadFrom = empty(readEnvironmentVariable('IMPASTO_UPLOAD_FROM', '')) ? [] : split(readEnvironmentVariable('IMPASTO_UPLOAD_FROM', ''), ',')
param alertEmails = empty(readEnvironmentVariable('IMPASTO_ALERT_EMAILS', '')) ? [] : split(readEnvironmentVariable('IMPASTO_ALERT_EMAILS', ''), ',')
