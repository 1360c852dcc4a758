// Values of the azd environment: `azd env set NAME VALUE`. Lists are separated by commas; objects are JSON.
// json() gives a choice its type: a function that returns text cannot.
using './main.bicep'

import { addresses, orDefault } from 'types.bicep'

param environmentName = orDefault(readEnvironmentVariable('AZURE_ENV_NAME', ''), 'dev')
param operatorPrincipalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param operatorPrincipalType = json('"${orDefault(readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', ''), 'User')}"')
param network = json('"${orDefault(readEnvironmentVariable('IMPASTO_NETWORK', ''), 'serviceEndpoints')}"')
param uploadFrom = addresses(readEnvironmentVariable('IMPASTO_UPLOAD_FROM', ''))
param operateFrom = addresses(readEnvironmentVariable('IMPASTO_OPERATE_FROM', ''))
param uploaders = json(orDefault(readEnvironmentVariable('IMPASTO_UPLOADERS', ''), '[]'))
param pool = json(orDefault(readEnvironmentVariable('IMPASTO_POOL', ''), '{}'))
param mounts = json('"${orDefault(readEnvironmentVariable('IMPASTO_MOUNTS', ''), 'none')}"')
param nodeImageTag = orDefault(readEnvironmentVariable('IMPASTO_NODE_IMAGE_TAG', ''), '1')
param limits = json(orDefault(readEnvironmentVariable('IMPASTO_LIMITS', ''), '{}'))
param prices = readEnvironmentVariable('IMPASTO_PRICES', '')
param allowedPrograms = readEnvironmentVariable('IMPASTO_ALLOWED_PROGRAMS', '')
param signIn = readEnvironmentVariable('IMPASTO_SIGN_IN', '')
param browserUploads = bool(orDefault(readEnvironmentVariable('IMPASTO_BROWSER_UPLOADS', ''), 'false'))
param workRetentionDays = int(orDefault(readEnvironmentVariable('IMPASTO_WORK_RETENTION_DAYS', ''), '14'))
param customerKey = json(orDefault(readEnvironmentVariable('IMPASTO_CUSTOMER_KEY', ''), 'null'))
param auditData = bool(orDefault(readEnvironmentVariable('IMPASTO_AUDIT_DATA', ''), 'false'))
param alertEmails = filter(split(readEnvironmentVariable('IMPASTO_ALERT_EMAILS', ''), ','), address => !empty(address))
param monthlyBudget = int(orDefault(readEnvironmentVariable('IMPASTO_MONTHLY_BUDGET', ''), '0'))
param budgetStart = readEnvironmentVariable('IMPASTO_BUDGET_START', '')
param alwaysReady = int(orDefault(readEnvironmentVariable('IMPASTO_ALWAYS_READY', ''), '0'))
param maximumInstanceCount = int(orDefault(readEnvironmentVariable('IMPASTO_MAXIMUM_INSTANCES', ''), '40'))
param instanceMemoryMB = json(orDefault(readEnvironmentVariable('IMPASTO_INSTANCE_MEMORY_MB', ''), '2048'))
param tags = json(orDefault(readEnvironmentVariable('IMPASTO_TAGS', ''), '{}'))
