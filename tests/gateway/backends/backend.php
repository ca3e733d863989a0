<?php
// A chat with login: PHP's own server runs it. `php -S 127.0.0.1:8000 backend.php`

ini_set('display_errors', '0');

function answer(int $status, mixed $body = null): never {
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

// Whether this hook came before. A database would have a unique key for it.
function replayed(): bool {
    $seen = getenv('LOG') . '.seen.' . md5($_SERVER['HTTP_WEBHOOK_ID']);
    return @fopen($seen, 'x') === false;
}

$body = file_get_contents('php://input');
if (!signed($body) || replayed()) {
    answer(401, ['message' => 'wrong signature, or seen before']);
}
$hook = json_decode($body);
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
            usleep(1000000);
        }
        $all = ['to' => ['lobby'], 'except' => [$hook->socket], 'event' => $hook->event,
            'args' => [$hook->data->name, ...$hook->args], 'attachments' => $hook->attachments ?? []];
        answer(200, ['emit' => [$all], 'ack' => ['ok', count($hook->args)]]);
    default:
        foreach ($hook->hooks as $one) {
            file_put_contents(getenv('LOG'), $one->type . ' ' . ($one->reason ?? '') . "\n", FILE_APPEND);
        }
        answer(204);
}
