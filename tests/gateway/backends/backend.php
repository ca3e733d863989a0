<?php
// A chat with login: PHP's own server runs it. `php -S 127.0.0.1:8000 backend.php`

ini_set('display_errors', '0');

function answer(int $status, mixed $body = null): never {
    if ($status < 500) {
        touch(seen());
    }
    http_response_code($status);
    header('Content-Type: application/json');
    exit($body === null ? '' : json_encode($body));
}

// Standard Webhooks: the signature covers id, timestamp and body.
function signed(string $body): bool {
    $id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
    $time = (int) ($_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? 0);
    if (abs(time() - $time) > 300) {
        return false;
    }
    $given = array_filter(explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? ''));
    foreach (explode(' ', getenv('WEBHOOK_SECRETS')) as $secret) {
        $key = base64_decode(substr($secret, strlen('whsec_')));
        $right = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$time.$body", $key, true));
        foreach ($given as $one) {
            if (hash_equals($right, $one)) {
                return true;
            }
        }
    }
    return false;
}

// This is there if the hook has been done. A database would have a row for it.
function seen(): string {
    return getenv('LOG') . '.seen.' . md5($_SERVER['HTTP_WEBHOOK_ID']);
}

$body = file_get_contents('php://input');
if (!signed($body)) {
    answer(500, ['message' => 'wrong signature']);
}
// What has been done is not done again: a batch whose answer was lost comes again with its id.
if (file_exists(seen())) {
    answer(200);
}
$hook = json_decode($body);
// One that can't be read must not be taken for one that says nothing.
if (!is_object($hook)) {
    answer(400);
}
switch ($hook->type) {
    case 'connect':
        $name = $hook->auth->name ?? null;
        if (!is_string($name)) {
            answer(403, ['message' => 'who are you?', 'data' => ['code' => 7]]);
        }
        // In `data` is what a client that comes back was before.
        if (($hook->data->name ?? $name) !== $name) {
            answer(403, ['message' => 'you were another', 'data' => ['code' => 8]]);
        }
        answer(200, ['join' => ['lobby'], 'data' => ['name' => $name],
            'emit' => [['to' => [$hook->socket], 'event' => 'welcome', 'args' => ["Hello, $name"]]]]);
    case 'event':
        if ($hook->event === 'slow') {
            usleep(6000000);
        }
        $all = ['to' => ['lobby'], 'except' => [$hook->socket], 'event' => $hook->event,
            'args' => [$hook->data->name, ...$hook->args], 'attachments' => $hook->attachments ?? []];
        answer(200, ['emit' => [$all], 'ack' => ['ok', count($hook->args)]]);
    case 'batch':
        foreach ($hook->hooks as $one) {
            file_put_contents(getenv('LOG'), $one->type . ' ' . ($one->reason ?? '') . "\n", FILE_APPEND);
        }
        answer(204);
    default:
        answer(400);
}
