metadata description = 'Alerts on poison messages, failed runs and the pool, and the budget.'

import { tagSet } from '../types.bicep'

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagSet

@description('Required. Prefix of the names.')
param prefix string

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. Resource id of the action group that the alerts notify.')
param actionGroupId string

@description('Required. Resource id of the Batch account.')
param batchAccountId string

@description('Required. Mail addresses for the budget.')
param alertEmails string[]

@description('Required. Monthly budget; 0 for none.')
param monthlyBudget int

@description('Required. First day of the budget.')
param budgetStart string

@description('Required. Nodes that always run.')
param minNodes int

var logAlerts = [
  {
    name: 'poison'
    description: 'A message was moved to a poison queue: a function failed on it five times.'
    severity: 2
    query: loadTextContent('../queries/alert_poison.kql')
  }
  {
    name: 'run-failed'
    description: 'A run failed. Its report in the container output names the reason.'
    severity: 3
    query: loadTextContent('../queries/alert_run_failed.kql')
  }
  {
    name: 'resize'
    description: 'The pool could not be resized because of quota, capacity or an error in the autoscale formula.'
    severity: 2
    query: loadTextContent('../queries/alert_resize.kql')
  }
]

// Batch reports node counts once a minute and only their sum over a window, so thresholds are in node-minutes.
// TotalNodeCount counts dedicated nodes, TotalLowPriorityNodeCount counts Spot nodes.
var idleThreshold = (minNodes + 1) * 6 * 60
var poolAlerts = [
  {
    name: 'start-task-failed'
    description: 'The start task of a node failed, usually because its GPU does not work. Such nodes are billed and run no tasks.'
    metric: 'StartTaskFailedNodeCount'
    window: 'PT15M'
    threshold: 1
  }
  {
    name: 'dedicated-nodes-for-hours'
    description: 'For six hours there were on average more dedicated nodes than minNodes.'
    metric: 'TotalNodeCount'
    window: 'PT6H'
    threshold: idleThreshold
  }
  {
    name: 'spot-nodes-for-hours'
    description: 'For six hours there were on average more Spot nodes than minNodes.'
    metric: 'TotalLowPriorityNodeCount'
    window: 'PT6H'
    threshold: idleThreshold
  }
]

resource queryAlerts 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for alert in logAlerts: {
    name: '${prefix}-${alert.name}'
    location: location
    tags: tags
    properties: {
      description: alert.description
      severity: alert.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      // Longer than the ingestion delay of the logs: a line that arrives late is still inside the window.
      windowSize: 'PT30M'
      // The tables do not exist before the first line arrives.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
          }
        ]
      }
      autoMitigate: true
      actions: {
        actionGroups: [actionGroupId]
      }
    }
  }
]

resource metricAlerts 'Microsoft.Insights/metricAlerts@2026-01-01' = [
  for alert in poolAlerts: {
    name: '${prefix}-${alert.name}'
    location: 'global'
    tags: tags
    properties: {
      description: alert.description
      severity: 2
      enabled: true
      scopes: [batchAccountId]
      evaluationFrequency: 'PT5M'
      windowSize: alert.window
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            name: alert.name
            criterionType: 'StaticThresholdCriterion'
            metricName: alert.metric
            operator: 'GreaterThanOrEqual'
            threshold: alert.threshold
            timeAggregation: 'Total'
          }
        ]
      }
      actions: [
        { actionGroupId: actionGroupId }
      ]
    }
  }
]

resource budget 'Microsoft.Consumption/budgets@2026-06-01' = if (monthlyBudget > 0 && !empty(alertEmails)) {
  name: 'budget-${prefix}'
  properties: {
    category: 'Cost'
    amount: monthlyBudget
    timeGrain: 'Monthly'
    timePeriod: {
      startDate: budgetStart
    }
    notifications: {
      actual80: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: alertEmails
      }
      forecast100: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: alertEmails
      }
    }
  }
}
